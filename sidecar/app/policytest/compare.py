"""What a trial expected, held against what was decided."""

from collections.abc import Iterator
from typing import NamedTuple

from sidecar.authz.ternary import FALSE, TRUE, said
from sidecar.config.schema.policytest import Expectation

from .decide import Decided, Upstream


class Difference(NamedTuple):
    """One thing that came otherwise. ``what``: the key of the expectation."""

    what: str
    wanted: str
    found: str


def differences(expect: Expectation, decided: Decided) -> tuple[Difference, ...]:
    """Return all that is not as expected."""
    return tuple(_differences(expect, decided))


def _differences(expect: Expectation, decided: Decided) -> Iterator[Difference]:
    for name in ("decision", "reason", "status", "route", "rule"):
        wanted, found = getattr(expect, name), getattr(decided, name)
        if wanted is not None and wanted != found:
            yield Difference(name, str(wanted), str(found or "none"))
    for name in decided.missing:
        yield Difference(f"attributes.{name}", "what the source gives, in the tests", "nothing said")
    yield from _upstream(expect, decided)
    outcomes = {policy.name: outcome_word(node.outcome) for policy, node in decided.policies}
    for name, truth in (expect.policies or {}).items():
        word = truth if isinstance(truth, str) else str(truth).lower()
        if outcomes.get(name) != word:
            yield Difference(f"policies.{name}", word, outcomes.get(name, "not looked at"))


def _upstream(expect: Expectation, decided: Decided) -> Iterator[Difference]:
    if expect.set is None and expect.removed is None and expect.kept is None:
        return
    upstream = decided.upstream
    if upstream is None:
        if expect.decision is None:
            yield Difference("decision", "allow", decided.decision)
        return
    for name, value in (expect.set or {}).items():
        if upstream.set.get(name) != value:
            yield Difference(f"set.{name}", value, upstream.set.get(name) or _fate(name, upstream))
    for name in expect.removed or ():
        if name not in upstream.removed:
            yield Difference(f"removed.{name}", "removed", _fate(name, upstream))
    for name in expect.kept or ():
        if name in upstream.set or name in upstream.removed or name not in upstream.sent:
            yield Difference(f"kept.{name}", "kept", _fate(name, upstream))


def _fate(name: str, upstream: Upstream) -> str:
    """What becomes of a header."""
    if name in upstream.set:
        return f"set to {upstream.set[name]}"
    if name in upstream.removed:
        return "removed"
    return "left as the client sent it" if name in upstream.sent else "neither sent nor set"


def outcome_word(truth: int) -> str:
    """Say true, false or unknown: a source that gave nothing leaves a condition as unknown as a missing value does."""
    return said(truth) if truth in {TRUE, FALSE} else "unknown"

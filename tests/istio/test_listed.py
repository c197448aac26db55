"""Every policy among Istio's goldens: carried over whole, or listed here with the reason."""

import pytest

from sidecar.app.istio.findings import Kind
from sidecar.app.istio.scope import Wishes

from .ours import LABELS, authentication, imported
from .pairs import GOLDENS, PAIRS, TCP, inputs

WISHES = Wishes(namespace="foo", labels=LABELS, port=80)
MESH = "the caller's identity in the mesh (its certificate) is not an attribute yet"


def another(name: str) -> str:
    return f"another authorizer ({name}) decides about what its rules match"


LISTED = {
    "http/allow-full-rule/httpbin-1": {f"ALLOW rule 0: {MESH}"},
    "http/custom-bad-multiple-providers/httpbin-1": {another("default")},
    "http/custom-bad-multiple-providers/httpbin-2": {another("another")},
    "http/custom-simple-http/httpbin-1": {another("default")},
    "http/custom-simple-http/httpbin-2": {another("default")},
    "http/deny-and-allow/httpbin-allow": {f"ALLOW rule 0: {MESH}"},
    "http/deny-and-allow/httpbin-deny": {f"rule 0: {MESH}"},
    "http/multiple-policies/httpbin-5": {f"ALLOW rule 0: {MESH}"},
    "http/multiple-policies/httpbin-7": {f"ALLOW rule 0: {MESH}"},
    "http/simple-policy-multiple-td-aliases/httpbin": {f"ALLOW rule 0: {MESH}"},
    "http/simple-policy-principal-with-wildcard/httpbin": {f"ALLOW rule 0: {MESH}"},
    "http/simple-policy-td-aliases/httpbin": {f"ALLOW rule 0: {MESH}", f"ALLOW rule 1: {MESH}"},
    "http/td-aliases-source-principal/httpbin": {f"ALLOW rule 0: {MESH}", f"ALLOW rule 0: source.principal: {MESH}"},
    "http/trust-domains/httpbin": {f"ALLOW rule 0: {MESH}"},
    "tcp/allow-both-http-tcp/httpbin-deny": {f"ALLOW rule 3: {MESH}"},
    "tcp/allow-only-http/httpbin-deny": {f"ALLOW rule 1: {MESH}"},
    "tcp/custom-both-http-tcp/httpbin-deny": {another("default")},
    "tcp/custom-only-http/httpbin-1": {another("default")},
    "tcp/custom-only-http/httpbin-2": {another("default")},
    "tcp/deny-both-http-tcp/httpbin-deny": {f"rule 3: {MESH}", f"rule 7: {MESH}"},
}
"""Document → why it is not carried over whole. Of an ALLOW rule: it is left out; of all others: nothing is written.

The policies under tcp/ are imported like the others, as a sidecar decides about HTTP only; Istio's filters for them are
for TCP, and so there is nothing to compare.
"""
BLOCKING = ["deny-and-allow", "custom-simple-http", "custom-bad-multiple-providers"]


def reasons(kind: str, source: str) -> dict[str, set[str]]:
    """Import one input; what could not be carried over, by document."""
    documents = inputs(kind, source)
    result = imported([*documents, authentication([])], WISHES)
    found: dict[str, set[str]] = {f"{kind}/{source}/{one['metadata']['name']}": set() for one in documents}
    for finding in result.findings:
        if finding.kind in {Kind.BLOCKING, Kind.LEFT_OUT}:
            message = finding.message.replace(" is left out", "")
            message = f"ALLOW {message}" if finding.kind is Kind.LEFT_OUT else message
            found[f"{kind}/{source}/{finding.subject.rpartition('/')[2]}"].add(message)
    return found


def everything() -> dict[str, set[str]]:
    sources = [("http", source) for source in sorted({source for source, _ in PAIRS.values()})] + [("tcp", name) for name in TCP]
    return {name: said for kind, source in sources for name, said in reasons(kind, source).items()}


def test_every_policy_that_is_not_carried_over_is_listed() -> None:
    found = everything()
    assert len(found) == 42
    assert {name: said for name, said in found.items() if said} == LISTED


def test_every_golden_is_used() -> None:
    used = {f"http/{source}-in" for source, _ in PAIRS.values()} | {
        f"http/{name}-out{end}" for name, (_, ends) in PAIRS.items() for end in ends
    }
    tcp = {path.stem for path in (GOLDENS / "tcp").iterdir()}
    assert {f"http/{path.stem}" for path in (GOLDENS / "http").iterdir()} == used
    assert {name.rpartition("-in")[0] or name.partition("-out")[0] for name in tcp} == set(TCP)


@pytest.mark.parametrize("source", BLOCKING)
def test_what_keeps_people_out_blocks(source: str) -> None:
    assert imported([*inputs("http", source), authentication([])], WISHES).blocked

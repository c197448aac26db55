"""``sidecar diff``."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from sidecar.model.errors import SidecarError

from . import exits
from .output import EPILOG_CODES, examples, fail, leave, paint, print_json
from .times import moment

if TYPE_CHECKING:
    from sidecar.app.review.changes import Change, Setting, State
    from sidecar.app.review.compare import Difference
    from sidecar.app.review.replay import Replay
    from sidecar.app.review.run import Compared

COLOURS = {"opens": "red", "changes": "yellow", "closes": "green", "none": "white"}
OPENS = 3
"""Something opens: an answer of its own, that CI can tell from a diff that could not be made."""
CODES = "Exit codes: 0 nothing opens, 1 it could not be compared, 2 usage, 3 something opens, or what --fail-on says."
MAX_NAMES = 4
MAX_CHANGES = 200


@click.command(
    "diff",
    epilog=examples(
        "sidecar diff old.yaml new.yaml",
        "sidecar diff /etc/sidecar/conf.d ./conf.d --no-files --fail-on any      # in CI",
        "sidecar diff old.yaml new.yaml --records decisions.jsonl        # and what would have been decided otherwise",
        "sidecar diff old.yaml new.yaml --output json | jq '.changes[] | select(.effect == \"opens\")'",
    ).replace(EPILOG_CODES, CODES),
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option(
    "--fail-on",
    type=click.Choice(["opens", "any", "none"]),
    default="opens",
    show_default=True,
    help="When to exit with 3: something opens or may open; access changes in any way; never.",
)
@click.option(
    "--records",
    type=click.Path(exists=True, dir_okay=False),
    help="Decision records, one JSON object a line: decide them again under both, and list what comes out otherwise.",
)
@click.option("--no-files", is_flag=True, help="Look at no file that the configurations name: API keys are left out.")
@click.option("--at", metavar="TIME", help="Compare as of this time (RFC 3339), instead of now: grants begin and end.")
@click.option("--all", "everything", is_flag=True, help=f"Print every change; without it, {MAX_CHANGES} at most.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Print for people or for programs.")
def command(old: str, new: str, fail_on: str, records: str | None, no_files: bool, at: str | None, everything: bool, output: str) -> None:
    """Say which access opens, closes or changes from one configuration to another.

    Worked out from what both demand, whatever the files look like: for each route and each kind of caller always, never or depends, the
    last with its conditions. Routes are matched by what reaches them. Where conditions differ and neither set implies the other, the change
    is called `changes`, shown with both, and counts as opening. Issuers, claims, roles, users, keys, headers and unsafe settings are
    compared, too.

    --records decides recorded requests again with the engine itself. What a record does not keep (roles and claims of a token, headers,
    query, body) is left open: where the answer hinges on that, it says so.
    """
    from sidecar.app.review.run import review_change  # noqa: PLC0415 - starts the validator

    wall = moment(at)
    try:
        found = review_change(old, new, records, with_files=not no_files, wall=wall)
    except (SidecarError, OSError) as error:
        fail(error, output, exits.NEGATIVE)
    if output == "json":
        print_json(data_of(found))
    else:
        _print(found.difference, None if everything else MAX_CHANGES)
        if found.replay is not None:
            _print_replay(found.replay, None if everything else MAX_CHANGES)
    leave(OPENS if _fails(found, fail_on) else exits.OK)


def _fails(found: "Compared", fail_on: str) -> bool:
    if fail_on == "none":
        return False
    effects = {found.difference.effect, *(found.replay.effects if found.replay is not None else ())}
    return not effects.isdisjoint({"opens", "changes"} if fail_on == "opens" else {"opens", "changes", "closes"})


def data_of(compared: "Compared") -> dict[str, object]:
    """Everything, for programs."""
    found = compared.difference
    replayed = compared.replay
    return {
        "old": found.old,
        "new": found.new,
        "effect": found.effect,
        "changes": [
            {
                **change._asdict(),
                "routes": [{"old": one or None, "new": other or None} for one, other in change.routes],
                "before": change.before._asdict(),
                "after": change.after._asdict(),
            }
            for change in found.changes
        ],
        "settings": [setting._asdict() for setting in found.settings],
        "notes": found.notes,
        "records": None if replayed is None else {**replayed._asdict(), "changes": [change._asdict() for change in replayed.changes]},
    }


def _print(found: "Difference", most: int | None) -> None:
    for change in found.changes[:most]:
        click.echo(f"{paint(change.effect.ljust(7), COLOURS[change.effect])}  {_about(change)}: {_some(change.who)}")
        for line in _lines(change):
            click.echo(f"           {line}")
    if most is not None and len(found.changes) > most:
        click.echo(f"… and {len(found.changes) - most} more changes of access (--all)")
    for setting in found.settings[:most]:
        word = setting.effect if setting.effect != "none" else "note"
        click.echo(f"{paint(word.ljust(7), COLOURS[setting.effect])}  {setting.section}.{setting.key}: {_said(setting)}")
    if most is not None and len(found.settings) > most:
        click.echo(f"… and {len(found.settings) - most} more settings (--all)")
    for note in found.notes:
        click.echo(f"note: {note}")
    click.echo(_summary(found))


def _print_replay(replay: "Replay", most: int | None) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in replay.counts.items())
    click.echo(f"records decided again: {counts or 'none'}")
    for why, count in replay.left_out.items():
        click.echo(f"  left out: {count} ({why})")
    for change in replay.changes[:most]:
        effect = paint(change.effect.ljust(7), COLOURS[change.effect])
        click.echo(f"{effect}  {change.times} times {change.caller}: {change.method} {change.host}{change.path} (such as {change.example})")
        click.echo(f"           {change.before} → {change.after}" + (f", hinging on {change.hinges}" if change.hinges else ""))
    if most is not None and len(replay.changes) > most:
        click.echo(f"… and {len(replay.changes) - most} more (--all)")


def _about(change: "Change") -> str:
    names = [one if one == other else f"{one or '(no route)'} → {other or '(no route)'}" for one, other in change.routes]
    return _some(names) + ("" if change.about == "access" else f" ({change.about})")


def _lines(change: "Change") -> Iterator[str]:
    yield f"at {_some(change.places)}"
    if change.before.verdict != "depends" and change.after.verdict != "depends":
        yield f"{change.before.verdict} → {change.after.verdict}"
        return
    yield from _state("before", change.before)
    yield from _state("after", change.after)


def _state(word: str, state: "State") -> Iterator[str]:
    yield f"{word}: {state.verdict}"
    yield from (f"    if {condition}" for condition in state.conditions)


def _said(setting: "Setting") -> str:
    if not setting.before or not setting.after:
        return setting.after or f"{setting.before}, and no longer"
    return f"{setting.before} → {setting.after}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _summary(found: "Difference") -> str:
    every = [*(change.effect for change in found.changes), *(setting.effect for setting in found.settings)]
    counts = [f"{every.count(effect)} {effect}" for effect in ("opens", "changes", "closes") if effect in every]
    words = {
        "opens": paint("something opens", "red"),
        "changes": paint("something may open", "yellow"),
        "closes": paint("nothing opens", "green"),
        "none": paint("no access changes", "green"),
    }
    return f"{words[found.effect]}{': ' if counts else ''}{', '.join(counts)} (revision {found.old} → {found.new})"

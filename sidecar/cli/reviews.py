"""What ``sidecar who-can`` and ``sidecar access`` have in common: their options, and how a review is printed."""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .output import paint, print_json, table

if TYPE_CHECKING:
    from sidecar.app.review.rows import Row
    from sidecar.app.review.whocan import Review

F = TypeVar("F", bound=Callable[..., Any])
COLOURS = {"always": "green", "depends": "yellow", "never": "red"}
COLUMNS = ("principal", "kind", "authenticator", "name", "route", "verdict", "chain", "conditions", "validity", "state")
MAX_ROUTES = 4


def review_options(command: F) -> F:
    """Add ``--config``, ``--at``, ``--no-files`` and ``--output text|json|csv``."""
    for option in (
        click.option(
            "--output",
            type=click.Choice(["text", "json", "csv"]),
            default="text",
            show_default=True,
            help="For people, programs or auditors.",
        ),
        click.option("--no-files", is_flag=True, help="Look at no file that the configuration names: API keys are left out."),
        click.option("--at", metavar="TIME", help="Review as of this time (RFC 3339), instead of now: grants begin and end."),
        click.option("--config", required=True, envvar="SIDECAR_CONFIG", metavar="PATH", help="The configuration, as `serve` takes it."),
    ):
        command = option(command)
    return command


def print_review(review: "Review", output: str, *, by_route: bool) -> None:
    """Print a review. ``by_route``: it is of a principal, so lines differ by route."""
    if output == "json":
        rows = [row._asdict() for row in review.rows]
        print_json({"about": review.about, "routes": review.routes, "rows": rows, "notes": review.notes})
    elif output == "csv":
        _print_csv(review.rows)
    else:
        _print_text(review, by_route=by_route)


def _print_csv(rows: Sequence["Row"]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        chain = "; ".join(" > ".join(way) for way in row.chain)
        for route in row.routes or ("",):
            values = (row.who, row.kind, row.authenticator, row.name, route, row.verdict, chain, "; ".join(row.conditions), row.validity)
            writer.writerow([_plain(value) for value in (*values, row.state)])


def _plain(value: str) -> str:
    """Keep a spreadsheet from taking text for a formula."""
    return f"'{value}" if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _print_text(review: "Review", *, by_route: bool) -> None:
    click.echo(f"{review.about}:")
    if not review.rows:
        click.echo("  nothing" if by_route else "  nobody")
    else:
        heading = ("access", "route", "by") if by_route else ("access", "who", "by")
        lines = [heading, *(_cells(row, by_route=by_route) for row in review.rows)]
        shown = table(lines).splitlines()
        click.echo(f"  {shown[0]}")
        for row, line in zip(review.rows, shown[1:], strict=True):
            click.echo(f"  {paint(row.verdict, COLOURS[row.verdict])}{line[len(row.verdict) :]}")
            for text in _more(row, review.routes, by_route=by_route):
                click.echo(f"      {text}")
    for note in review.notes:
        click.echo(f"note: {note}")


def _cells(row: "Row", *, by_route: bool) -> tuple[str, str, str]:
    chain = "; ".join(" > ".join(way) for way in row.chain)
    return row.verdict, _some(row.routes) if by_route else row.who, chain


def _more(row: "Row", routes: Sequence[str], *, by_route: bool) -> Iterator[str]:
    if by_route and row.kind == "role":
        yield f"as {row.who}"
    if not by_route and len(routes) > 1:
        yield f"on {_some(row.routes)}"
    yield from (f"if {condition}" for condition in row.conditions)
    if row.validity:
        yield row.validity


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_ROUTES} more" if len(names) > MAX_ROUTES else ""
    return ", ".join(names[:MAX_ROUTES]) + more

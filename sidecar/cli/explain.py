"""``sidecar explain``."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sidecar.model.errors import MalformedRequest, SidecarError

from . import exits
from .output import examples, fail, leave, output_option, paint, print_json
from .token.reading import token_from_stdin

if TYPE_CHECKING:
    from sidecar.app.explain import Explanation

EXAMPLE = "sidecar explain --config config.yaml GET https://api.example.com/posts --token-stdin < token.txt"
MAX_INPUT = 16 * 1024 * 1024
_COLOURS = {"ok": "green", "refused": "red", "unknown": "yellow"}
_MARKS = {"ok": "✓", "refused": "✗", "unknown": "?"}
_OUTCOMES = {"true": ("✓", "green"), "false": ("✗", "red"), "unknown": ("?", "yellow"), "open": ("?", "yellow")}
"""Of a part of a policy: its mark and colour."""


@click.command(
    "explain",
    epilog=examples(
        EXAMPLE,
        "sidecar explain --config config.yaml POST https://api.example.com/posts -H 'X-Request-ID: 1' --ip 203.0.113.9",
        "sidecar explain --config config.yaml --check request.bin --output json",
    ),
)
@click.argument("method", required=False)
@click.argument("url", required=False)
@click.option("--config", required=True, envvar="SIDECAR_CONFIG", metavar="PATH", help="The configuration that decides.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header; may be repeated.")
@click.option("--token-stdin", is_flag=True, help="Read a token or API key from standard input and send it as Authorization: Bearer.")
@click.option("--ip", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The direct peer's address.")
@click.option("--context", multiple=True, metavar="KEY=VALUE", help="A context extension of Envoy's; may be repeated.")
@click.option("--at", metavar="TIME", help="Decide as of this time (RFC 3339), instead of now.")
@click.option("--check", type=click.Path(exists=True, dir_okay=False), help="A saved CheckRequest, protobuf or JSON, instead of all this.")
@output_option
def command(
    method: str | None,
    url: str | None,
    config: str,
    headers: tuple[str, ...],
    token_stdin: bool,
    ip: str,
    context: tuple[str, ...],
    at: str | None,
    check: str | None,
    output: str,
) -> None:
    """Decide one request as the sidecar would, and say for each phase what it looked at and what it found.

    A credential given with -H can be seen by others on this machine while the command runs: prefer --token-stdin. Keys are fetched from
    the issuers' URLs. Exit 0: allowed. 1: denied, or the configuration is invalid. 3: it could not be found out.
    """
    from sidecar.app.explain import Asked, explain  # noqa: PLC0415 - loads the engine

    asked: Asked | bytes
    if check is not None:
        if method or url or headers or token_stdin or context:
            raise click.UsageError("--check is a whole request: leave out METHOD, URL, -H, --token-stdin and --context")
        with Path(check).open("rb") as file:
            asked = file.read(MAX_INPUT)
    else:
        host, path = _target(method, url)
        given = [_header(text) for text in headers]
        if token_stdin:
            given.append(("authorization", f"Bearer {token_from_stdin(EXAMPLE)}"))
        asked = Asked(method or "", host, path, given, ip, dict(_pair(text) for text in context))
    try:
        found = explain(config, asked, _time(at))
    except MalformedRequest as error:
        fail(f"{check}: {error}", output)
    except (SidecarError, OSError) as error:
        fail(error, output)
    if output == "json":
        print_json({**found._asdict(), "steps": [step._asdict() for step in found.steps]})
    else:
        _print(found)
    leave(exits.OK if found.decision == "allow" else exits.NEGATIVE)


def _target(method: str | None, url: str | None) -> tuple[str, str]:
    """Host and path of a URL, the path byte for byte as it stands there."""
    if not method or not url:
        raise click.UsageError("give METHOD and URL, for example: sidecar explain --config config.yaml GET https://api.example.com/posts")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        raise click.UsageError(f"{url!r} is not a whole URL: write it with its host, as in https://api.example.com/posts")
    host, slash, path = rest.partition("/")
    host, mark, query = host.partition("?")  # https://host?query
    return host.rpartition("@")[2], slash + path if slash else f"/?{query}" if mark else "/"


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"-H wants 'NAME: VALUE'; there is no colon behind a name in the one that begins with {text[:8]!r}")
    return name.strip().lower(), value.strip()


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--context wants KEY=VALUE, not {text!r}")
    return name, value


def _time(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--at wants a time as in 2026-11-24T09:00:00Z, not {text!r}") from None
    if at.tzinfo is None:
        raise click.UsageError("--at wants a time zone: put Z at the end for UTC")
    return at.timestamp()


def _print_tree(node: Any, depth: int) -> None:
    """One part of a policy and those in it, each with its outcome and the values that it looked at."""
    mark, colour = _OUTCOMES[node["outcome"]]
    values = ", ".join(f"{name} = {value}" for name, value in node["values"].items())
    click.echo(f"{'    ' * depth}{paint(mark, colour)} {node['text']}" + (f"  ({node['outcome']}: {values})" if values else ""))
    for part in node["parts"]:
        _print_tree(part, depth + 1)


def _print(found: "Explanation") -> None:
    policies = iter(found.policies)
    for step in found.steps:
        click.echo(f"{paint(_MARKS[step.said], _COLOURS[step.said])} {step.phase:<15} {step.text}")
        for name, value in step.facts.items():
            click.echo(f"    {name}: {value}")
        if step.phase == "policy":
            _print_tree(next(policies)["tree"], 1)
    if found.nearest:
        click.echo("what would have to be different:")
        for line in found.nearest:
            click.echo(f"  - {line}")
    click.echo("what Envoy is told:")
    for line in found.answer:
        click.echo(f"    {line}")
    for name, error in found.keys.items():
        click.echo(f"{paint('warning', 'yellow')}: the keys of {name} could not be had: {error}", err=True)

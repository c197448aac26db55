"""``sidecar init``."""

import sys
from typing import TYPE_CHECKING, Any

import click

from sidecar.model.errors import SidecarError

from .output import examples, fail, output_option, print_json, print_problems, problem_data

if TYPE_CHECKING:
    from sidecar.app.starter.write import Written


@click.command(
    "init",
    epilog=examples(
        "sidecar init                                     # asks, on a terminal",
        "sidecar init --yes --out /etc/sidecar            # placeholders to fill in",
        "sidecar init --issuer https://idp.example.com --audience https://api.example.com --api-keys",
        "sidecar init --yes --route 'GET,HEAD /posts posts:read' --route '/healthz public' --envoy --upstream 127.0.0.1:8081",
    ),
)
@click.option("--issuer", metavar="URL", help="Who signs tokens: the exact `iss`.")
@click.option("--audience", "audiences", multiple=True, metavar="TEXT", help="Whom tokens must be for; repeat for several.")
@click.option("--listen", metavar="ADDRESS", help="Where Envoy asks: unix:///run/sidecar/check.sock or 127.0.0.1:9191.")
@click.option("--transport", type=click.Choice(["auto", "native", "grpcio"]), default="auto", show_default=True, help="The gRPC server.")
@click.option("--api-keys/--no-api-keys", default=None, help="Accept API keys, too; makes a key file and a pepper.")
@click.option("--route", "routes", multiple=True, metavar="ROUTE", help="'[METHODS] PATH [PERMISSION|public]'; repeat for several.")
@click.option("--envoy/--no-envoy", default=None, help="Write an Envoy configuration that fits, too.")
@click.option("--upstream", metavar="HOST:PORT", help="Your service, for --envoy; default 127.0.0.1:8081.")
@click.option("--out", default=".", show_default=True, metavar="DIR", help="The directory to write into; made if need be.")
@click.option("--yes", is_flag=True, help="Ask nothing: defaults for what no flag says.")
@click.option("--force", is_flag=True, help="Replace a sidecar.yaml or envoy.yaml that is there. Keys and pepper are kept.")
@output_option
def command(out: str, yes: bool, force: bool, output: str, **flags: Any) -> None:
    """Write a starter configuration: sidecar.yaml, with a line on each section; keys and Envoy's side of it if wanted.

    Asks a few questions on a terminal, unless --yes or flags answer them. What is written passes `sidecar validate`; what is already
    there is not overwritten.
    """
    from sidecar.app.starter.wishes import Wishes, read_routes  # noqa: PLC0415 - loaded when called
    from sidecar.app.starter.write import write_starter  # noqa: PLC0415 - loads YAML

    if not yes and sys.stdin.isatty() and sys.stdout.isatty() and output == "text":
        flags = _asked(flags)
    elif not yes and not (flags["issuer"] and flags["audiences"]):
        raise click.UsageError("say --issuer and --audience, or --yes for placeholders; questions are asked on a terminal only")
    given = {name: value for name, value in flags.items() if value not in {None, ""} and value != ()}
    try:
        if "routes" in given:
            given["routes"] = read_routes(given["routes"])
        written = write_starter(Wishes(**given), out, force=force)
    except (SidecarError, OSError) as error:
        fail(error, output)
    _report(written, output)


def _asked(flags: dict[str, Any]) -> dict[str, Any]:
    """Ask for what no flag says."""
    from sidecar.app.starter import wishes  # noqa: PLC0415 - loaded when called

    answers = dict(flags)
    click.echo("Enter takes what stands in [ ]. Every answer can be changed in the file later.", err=True)
    if not answers["issuer"]:
        answers["issuer"] = click.prompt("Issuer of tokens (the exact `iss`)", default=wishes.DEFAULT_ISSUER, err=True)
    if not answers["audiences"]:
        answers["audiences"] = (click.prompt("Audience that tokens must be for", default=wishes.DEFAULT_AUDIENCE, err=True),)
    if not answers["listen"]:
        answers["listen"] = click.prompt("Where Envoy asks", default=wishes.DEFAULT_LISTEN, err=True)
    if answers["api_keys"] is None:
        answers["api_keys"] = click.confirm("Accept API keys, too?", default=False, err=True)
    if not answers["routes"]:
        answers["routes"] = _asked_routes()
    if answers["envoy"] is None:
        answers["envoy"] = click.confirm("Write an Envoy configuration that fits?", default=True, err=True)
    if answers["envoy"] and not answers["upstream"]:
        answers["upstream"] = click.prompt("Your service", default=wishes.DEFAULT_UPSTREAM, err=True)
    return answers


def _asked_routes() -> tuple[str, ...]:
    from sidecar.app.starter.wishes import read_route  # noqa: PLC0415 - loaded when called

    click.echo("Routes, one a line: [METHODS] PATH [PERMISSION|public]; an empty line ends them (examples, if there are none).", err=True)
    routes: list[str] = []
    while text := click.prompt("Route", default="", show_default=False, err=True).strip():
        try:
            read_route(text)
        except SidecarError as error:
            click.echo(str(error), err=True)
        else:
            routes.append(text)
    return tuple(routes)


def _report(written: "Written", output: str) -> None:
    if output == "json":
        warnings = [problem_data(problem) for problem in written.warnings]
        print_json({"ok": True, "files": list(written.files), "kept": list(written.kept), "warnings": warnings})
        return
    for name in written.files:
        click.echo(f"{name}: written")
    for name in written.kept:
        click.echo(f"{name}: kept")
    print_problems(written.warnings, "warning", "yellow", err=False)
    click.echo(f"next: sidecar doctor --config {written.config}; sidecar serve --config {written.config}", err=True)

"""``sidecar import istio``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sidecar.model.errors import ConfigError, SidecarError

from . import exits
from .lazy import Entry, LazyGroup
from .output import describe, examples, fail, leave, paint, print_problems

if TYPE_CHECKING:
    from sidecar.app.istio.findings import Finding
    from sidecar.app.istio.translate import Imported

_COLOURS = {"blocking": "red", "denied": "yellow", "left-out": "yellow", "note": "cyan"}


@click.group(
    "import",
    cls=LazyGroup,
    entries={"istio": Entry("sidecar.cli.import_istio:command", "Istio's authorization and authentication policies.")},
    epilog=examples("sidecar import istio policies.yaml --audience https://api.example.com --output sidecar.yaml"),
)
def group() -> None:
    """Turn the policies of another system into a configuration, and say what could not be carried over."""


@click.command(
    "istio",
    epilog=examples(
        "sidecar import istio policies.yaml --audience https://api.example.com --port 8080 > sidecar.yaml",
        "sidecar import istio mesh.yaml shop.yaml --namespace shop --label app=posts --output sidecar.yaml",
        "kubectl get authorizationpolicies,requestauthentications -A -o yaml | sidecar import istio - --namespace shop --label app=posts",
        "sidecar import istio policies.yaml --report json 2> report.json > sidecar.yaml",
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--namespace", metavar="NAME", help="The workload's namespace, where the documents are for several.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label of the workload; repeat for each.")
@click.option("--root-namespace", default="istio-system", show_default=True, metavar="NAME", help="The mesh's root namespace.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port that the sidecar guards, for rules about ports.")
@click.option("--audience", "audiences", multiple=True, metavar="TEXT", help="Whom tokens must be for, where an issuer names no audience.")
@click.option(
    "--trusted-hops", type=click.IntRange(0, 16), default=0, show_default=True, help="Addresses are X-Forwarded-For's, from the right."
)
@click.option("--trusted-from", multiple=True, metavar="CIDR", help="Networks of the proxies whose X-Forwarded-For counts.")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="The extension provider that is this sidecar.")
@click.option(
    "--partial", is_flag=True, help="Write a configuration although a rule that denies cannot be carried over: more is denied then."
)
@click.option("--output", "-o", type=click.Path(dir_okay=False), metavar="FILE", help="Write there instead of to standard output.")
@click.option("--report", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The report on standard error.")
def command(files: tuple[str, ...], output: str | None, report: str, **flags: Any) -> None:
    """Turn RequestAuthentication and AuthorizationPolicy documents into a configuration that decides alike.

    FILE may hold several documents, or a list of them; - is standard input. What cannot be carried over is reported on
    standard error and in comments, and never lets anyone in whom Istio keeps out: a rule that allows is left out; for one that denies
    nothing is written at all and the exit code is 1, unless --partial.
    """
    from sidecar.app.istio.findings import NotImportable  # noqa: PLC0415 - loaded when called
    from sidecar.app.istio.scope import Wishes  # noqa: PLC0415
    from sidecar.app.istio.write import import_files, tried_text  # noqa: PLC0415 - loads YAML

    if bool(flags["trusted_hops"]) != bool(flags["trusted_from"]):
        raise click.UsageError("--trusted-hops and --trusted-from belong together")
    try:
        wishes = Wishes(**{**flags, "labels": _pairs(flags["labels"]), "providers": frozenset(flags["providers"])})
        imported = import_files(files, wishes)
        text = None if imported.blocked else tried_text(imported)
    except NotImportable as error:
        _refuse(ConfigError(error.problems), report)
    except ConfigError as error:
        _refuse(error, report)
    except (SidecarError, OSError) as error:
        fail(error)
    _report(imported, report)
    if text is None:
        leave(exits.NEGATIVE)
    _write(text, output)


def _pairs(labels: tuple[str, ...]) -> dict[str, str]:
    pairs = [label.partition("=") for label in labels]
    if not all(name and equals for name, equals, _ in pairs):
        raise click.UsageError("write --label NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _refuse(error: ConfigError, report: str) -> NoReturn:
    if report == "json":
        _json({"ok": False, "errors": [str(problem) for problem in error.problems]})
    else:
        print_problems(error.problems, "error", "red", err=True)
    leave(exits.NEGATIVE)


def _json(data: object) -> None:
    import json  # noqa: PLC0415 - only for this report

    click.echo(json.dumps(data, indent=2, ensure_ascii=False), err=True)


def _report(imported: "Imported", report: str) -> None:
    from sidecar.app.istio.write import report as report_of  # noqa: PLC0415 - loaded already

    if report == "json":
        _json(report_of(imported))
        return
    for finding in sorted(imported.findings, key=lambda one: list(_COLOURS).index(one.kind.value)):
        _say(finding)
    denying = sum(one.denies for one in imported.policies)
    rules = f"{len(imported.policies) - denying} to allow, {denying} to deny, {len(imported.issuers)} issuers"
    if imported.blocked:
        click.echo(f"{paint('nothing written', 'red')}: rules that keep people out cannot be carried over", err=True)
    else:
        click.echo(f"{paint('imported', 'green')}: {imported.documents} documents; policies: {rules}", err=True)


def _say(finding: "Finding") -> None:
    from sidecar.app.istio.text import said  # noqa: PLC0415 - loaded already

    click.echo(f"{paint(finding.kind.value, _COLOURS[finding.kind.value])}: {said(finding)}", err=True)


def _write(text: str, output: str | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{output}: {describe(error)}")
    click.echo(f"{output}: written", err=True)

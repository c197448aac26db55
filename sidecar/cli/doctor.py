"""``sidecar doctor``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sidecar.model.errors import SidecarError

from . import exits
from .output import examples, fail, leave, output_option, paint, print_json

if TYPE_CHECKING:
    from sidecar.app.doctor.findings import Finding

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command(
    "doctor",
    epilog=examples(
        "sidecar doctor --config /etc/sidecar/config.yaml",
        "sidecar doctor --config config.yaml --envoy envoy.yaml --offline --strict     # in CI",
        "sidecar doctor --config config.yaml --envoy http://127.0.0.1:9901 --admin http://127.0.0.1:9192",
        "curl -s 'http://127.0.0.1:9901/config_dump?include_eds' | sidecar doctor --config config.yaml --envoy -",
        "sidecar doctor --config config.yaml --output json | jq '.findings[] | select(.severity == \"error\")'",
    ),
)
@click.option("--config", required=True, envvar="SIDECAR_CONFIG", metavar="PATH", help="The configuration, as `serve` takes it.")
@click.option(
    "--envoy",
    metavar="FILE|URL",
    help="Envoy's configuration: a bootstrap file or /config_dump output (- for standard input), or the URL of its admin interface.",
)
@click.option("--admin", metavar="URL", help="The admin listener of a running sidecar: what it runs, and how old its keys are.")
@click.option("--offline", is_flag=True, help="Ask no issuer: nothing is said of their keys, nor of the clock.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--quiet", is_flag=True, help="Leave out what is as it should be.")
@output_option
def command(config: str, envoy: str | None, admin: str | None, offline: bool, strict: bool, quiet: bool, output: str) -> None:
    """Look at everything around a configuration, and say what to change.

    The clock against that of the issuers; issuers, their keys and TLS; who may read and write the files; versions and limits; the
    configuration's own warnings; and with --envoy whether Envoy asks safely: failure mode, timeout, headers, paths, client address, routes
    that are left out, the way to the sidecar.

    Run it where the sidecar runs, as its user. Exit 0: nothing wrong (there may be warnings). 1: errors. 3: an input cannot be read.
    """
    from sidecar.app.doctor.diagnosis import diagnose  # noqa: PLC0415 - loads YAML and httpx

    try:
        findings = diagnose(config, envoy, admin, offline=offline)
    except (SidecarError, OSError) as error:
        fail(error, output)
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in COLOURS}
    code = exits.NEGATIVE if counts["error"] or (strict and counts["warning"]) else exits.OK
    shown = [finding for finding in findings if not quiet or finding.severity != "ok"]
    if output == "json":
        print_json({"ok": code == exits.OK, "counts": counts, "findings": [_data(finding) for finding in shown]})
    else:
        _print(shown, counts)
    leave(code)


def _print(findings: Sequence["Finding"], counts: dict[str, int]) -> None:
    for finding in findings:
        hint = f" ({finding.hint})" if finding.hint else ""
        click.echo(f"{paint(finding.severity.ljust(7), COLOURS[finding.severity])}  {finding.where}: {finding.message}{hint}")
    words = [f"{counts[name]} {name}{'' if counts[name] == 1 else 's'}" for name in ("error", "warning")]
    click.echo(f"{', '.join(words)}, {counts['ok']} ok")


def _data(finding: "Finding") -> dict[str, object]:
    where = finding.where
    place = {"file": where.file, "line": where.line, "key": where.key}
    return {"severity": finding.severity, "check": finding.check, **place, "message": finding.message, "hint": finding.hint}

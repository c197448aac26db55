"""``sidecar validate``."""

import click

from sidecar.model.errors import ConfigError, SidecarError

from . import exits
from .output import examples, fail, leave, output_option, paint, print_json, print_problems, problem_data


@click.command(
    "validate",
    epilog=examples(
        "sidecar validate config.yaml",
        "sidecar validate /etc/sidecar/conf.d --strict",
        "sidecar validate config.yaml --output json | jq '.errors[].message'",
    ),
)
@click.argument("path", metavar="PATH")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@output_option
def command(path: str, strict: bool, output: str) -> None:
    """Check a configuration as `serve` would, with the key files it names, and warn about what is doubtful.

    Errors and warnings are printed as file:line: key: message. Secrets and key sets are not read from the network.
    """
    from sidecar.app.validation import validate_sync  # noqa: PLC0415 - starts the validator

    try:
        validated = validate_sync(path)
    except ConfigError as error:
        _report_errors(error, output)
    except (SidecarError, OSError) as error:
        fail(error, output)
    code = exits.NEGATIVE if strict and validated.warnings else exits.OK
    if output == "json":
        warnings = [problem_data(problem) for problem in validated.warnings]
        print_json({"ok": code == exits.OK, "revision": validated.revision, "errors": [], "warnings": warnings})
        leave(code)
    print_problems(validated.warnings, "warning", "yellow", err=False)
    routes = len(validated.settings.routes)
    click.echo(f"{path}: {paint('valid', 'green')}, revision {validated.revision}, {routes} route{'' if routes == 1 else 's'}")
    leave(code)


def _report_errors(error: ConfigError, output: str) -> None:
    if output == "json":
        print_json({"ok": False, "errors": [problem_data(problem) for problem in error.problems], "warnings": []})
    else:
        print_problems(error.problems, "error", "red", err=False)
        count = len(error.problems)
        click.echo(f"{paint('invalid', 'red')}: {count} error{'' if count == 1 else 's'}")
    leave(exits.NEGATIVE)

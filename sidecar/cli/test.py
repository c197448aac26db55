"""``sidecar test``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sidecar.model.errors import ConfigError, SidecarError

from . import exits
from .output import examples, fail, leave, output_option, paint, print_json, print_problems, problem_data

if TYPE_CHECKING:
    from sidecar.app.policytest.run import Report


@click.command(
    "test",
    epilog=examples(
        "sidecar test tests/ --config sidecar.yaml",
        "sidecar test tests/posts.yaml --config sidecar.yaml --coverage",
        "sidecar test tests/ --config sidecar.yaml --junit report.xml --min-coverage 90",
    ),
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--config", required=True, envvar="SIDECAR_CONFIG", metavar="PATH", help="The configuration that is tested.")
@click.option("--junit", "junit_file", metavar="FILE", help="Write the results as JUnit XML, too.")
@click.option("--coverage", is_flag=True, help="Say which routes, policies and conditions the tests reached.")
@click.option("--min-coverage", type=click.FloatRange(0, 100), metavar="PERCENT", help="Fail where the tests reach less.")
@output_option
def command(paths: tuple[str, ...], config: str, junit_file: str | None, coverage: bool, min_coverage: float | None, output: str) -> None:
    """Decide the requests of policy tests with the sidecar's own engine, and compare.

    PATH is a YAML file of tests, or a directory of such files. No network is asked, and no secret is needed but for real credentials.

    Exit 0: all as expected. 1: something is not, the coverage is too low, or the configuration is invalid. 2: a test file is wrong, for
    example names a route that does not exist. 3: it could not be done.
    """
    from sidecar.app.policytest.junit import junit  # noqa: PLC0415 - loads the engine and pydantic
    from sidecar.app.policytest.run import BadTests, run  # noqa: PLC0415

    try:
        report = run(paths, config)
    except BadTests as error:
        _bad_tests(error, output)
    except (SidecarError, OSError) as error:
        fail(error, output)
    if junit_file is not None:
        try:
            Path(junit_file).write_text(junit(report), encoding="utf-8")
        except OSError as error:
            fail(error, output)
    too_little = min_coverage is not None and report.coverage.percent < min_coverage
    if output == "json":
        _print_json(report, failed=bool(report.failed) or too_little)
    else:
        _print(report, coverage=coverage or too_little)
        if too_little:
            said = f"the tests cover {report.coverage.percent:.1f} %, and {min_coverage:g} % are wanted"
            click.echo(f"{paint('error', 'red')}: {said}", err=True)
    leave(exits.NEGATIVE if report.failed or too_little else exits.OK)


def _bad_tests(error: ConfigError, output: str) -> None:
    if output == "json":
        print_json({"ok": False, "errors": [problem_data(problem) for problem in error.problems]})
    else:
        print_problems(error.problems, "error", "red", err=True)
    leave(exits.USAGE)


def _print(report: "Report", *, coverage: bool) -> None:
    from sidecar.app.policytest.words import coverage_lines, never_reached, report_lines  # noqa: PLC0415

    for line in report_lines(report, paint):
        click.echo(line)
    if coverage:
        for line in coverage_lines(report.coverage, paint):
            click.echo(line)
    elif never := never_reached(report.coverage):
        click.echo(f"never reached: {', '.join(never)} (--coverage says more)")


def _print_json(report: "Report", *, failed: bool) -> None:
    from sidecar.app.policytest.data import report_data  # noqa: PLC0415

    print_json({"ok": not failed, **report_data(report)})

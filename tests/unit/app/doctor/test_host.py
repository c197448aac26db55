"""Python, packages, file descriptors."""

from importlib import metadata

import pytest

from sidecar.app.doctor.findings import Findings
from sidecar.app.doctor.host import check_descriptors, check_packages, check_python, holds, parse_requirement
from tests.support.envoy_config import bad
from tests.support.settings import make_settings


@pytest.mark.parametrize(("version", "wanted"), [((3, 10), ["error"]), ((3, 11), []), ((3, 14), []), ((3, 19), ["warning"])])
def test_python_versions(version: tuple[int, int], wanted: list[str]) -> None:
    findings = Findings()
    check_python(findings, version)
    assert [severity for severity, _ in bad(findings.all)] == wanted


@pytest.mark.parametrize(
    ("found", "operator", "bound", "wanted"),
    [
        ("2.11", ">=", "2.11.0", True),
        ("2.10.9", ">=", "2.11", False),
        ("10.0", ">=", "9.1", True),
        ("7.35.1", "<", "8", True),
        ("8.0.0", "<", "8", False),
        ("0.5.3", "~=", "0.5.1", True),
        ("0.6.0", "~=", "0.5.1", False),
        ("1.2", "==", "1.2.0", True),
        ("1.2", "!=", "1.2.0", False),
        ("1.3", "<=", "1.2", False),
        ("1.3", ">", "1.2", True),
        ("2.0rc1", ">=", "2.0", True),
        ("unknown", ">=", "1", False),
    ],
)
def test_versions_are_compared_by_number(found: str, operator: str, bound: str, wanted: bool) -> None:
    assert holds(found, operator, bound) is wanted


def test_requirements_of_extras_are_left_out() -> None:
    assert parse_requirement("pytest>=8.4; extra == 'test'") is None
    need = parse_requirement("protobuf<8,>=7.35.1")
    assert need is not None
    assert (need.name, set(need.bounds), need.optional) == ("protobuf", {("<", "8"), (">=", "7.35.1")}, False)
    marked = parse_requirement("uvloop>=0.21; sys_platform != 'win32'")
    assert marked is not None
    assert marked.optional


def packages(**installed: str) -> list[tuple[str, str]]:
    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    findings = Findings()
    check_packages(findings, lambda: ["a>=2,<3", "b>=1", "c>=1; sys_platform == 'plan9'", "d>=9; extra == 'dev'"], version)
    return bad(findings.all)


def test_packages_are_compared_with_what_is_declared() -> None:
    assert packages(a="2.5", b="1.0") == []
    assert packages(a="3.0", b="1.0") == [("error", "versions.packages")]
    assert packages(a="2.5") == [("error", "versions.packages")]
    assert packages(a="2.5", b="1.0", c="0.9") == [("error", "versions.packages")]


def test_the_packages_of_this_environment_fit() -> None:
    findings = Findings()
    check_packages(findings)
    assert bad(findings.all) == []


def test_without_a_package_nothing_is_claimed() -> None:
    def unknown() -> list[str]:
        raise metadata.PackageNotFoundError("ext-authz-sidecar")

    findings = Findings()
    check_packages(findings, unknown)
    assert bad(findings.all) == [("warning", "versions.packages")]


def test_open_files_against_checks_in_flight() -> None:
    for limit, in_flight, wanted in ((1024, 1024, ["warning"]), (1152, 1024, []), (4096, 5000, ["warning"]), (-1, 5000, [])):
        findings = Findings()
        check_descriptors(make_settings(server={"max_in_flight": in_flight}), findings, limit)
        assert [severity for severity, _ in bad(findings.all)] == wanted
    findings = Findings()
    check_descriptors(None, findings, 100)
    assert bad(findings.all) == [("warning", "limits.open_files")]

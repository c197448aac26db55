"""Every combination of wishes makes a configuration without errors or warnings, and an Envoy that the doctor finds clean."""

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.app.doctor.envoy.check import check_envoy
from sidecar.app.doctor.envoy.source import read_envoy
from sidecar.app.doctor.expected import expected_of
from sidecar.app.doctor.findings import Findings
from sidecar.app.starter.config_text import config_text, key_file_text
from sidecar.app.starter.envoy_text import envoy_text
from sidecar.app.starter.wishes import DEFAULT_ROUTES, BadWish, Wishes, read_routes
from sidecar.config.files import read_config
from sidecar.config.load import Loaded, load
from tests.docs.test_links import anchors
from tests.support.envoy_config import SHIPPED, bad

LISTENS = ("unix:///run/sidecar/check.sock", "localhost:9191", "[::1]:9191")
TRANSPORTS = ("auto", "native", "grpcio")
ROUTES = (
    DEFAULT_ROUTES,
    ("/{rest=**}",),
    ("GET /posts posts:read",),
    ("POST /posts posts:create", "GET,HEAD /posts/{id} posts:read", "DELETE /posts/{id} posts:*", "/ public"),
)
ISSUERS = ("https://idp.example.com", "http://127.0.0.1:9180/realms/a")
ALL = list(product(LISTENS, TRANSPORTS, (False, True), ROUTES))


def written(folder: Path, wishes: Wishes) -> Loaded:
    """Load it as the validator does, in this process."""
    (folder / "keys").mkdir()
    (folder / "sidecar.yaml").write_text(config_text(wishes))
    (folder / "keys" / "keys.yaml").write_text(key_file_text())
    (folder / "keys" / "pepper").write_text("0" * 64)
    return load(read_config(str(folder / "sidecar.yaml")), ())


@pytest.mark.parametrize(("listen", "transport", "api_keys", "routes"), ALL, ids=map(str, range(len(ALL))))
def test_every_combination_is_valid_and_fits(tmp_path: Path, listen: str, transport: str, api_keys: bool, routes: tuple[str, ...]) -> None:
    issuer = ISSUERS[len(routes) % 2]
    wishes = Wishes(listen=listen, transport=transport, api_keys=api_keys, routes=read_routes(routes), issuer=issuer)
    loaded = written(tmp_path, wishes)
    assert loaded.warnings == (), wishes
    settings = loaded.settings
    assert settings.server.listen == listen
    assert settings.server.transport == transport
    assert len(settings.routes) == len(routes)
    assert bool(settings.api_keys) is api_keys
    if transport != "auto":
        return  # Envoy's side is the same for each
    (tmp_path / "envoy.yaml").write_text(envoy_text(wishes))
    findings = Findings()
    check_envoy(read_envoy(str(tmp_path / "envoy.yaml")), expected_of(settings), findings)
    assert bad(findings.all) == []


@pytest.mark.parametrize(
    "path",
    [
        "circuit_breakers.thresholds",
        "internal_address_config.cidr_ranges",
        "http2_protocol_options.max_concurrent_streams",
        "overload_manager.resource_monitors",
    ],
)
def test_the_starter_bounds_what_the_shipped_configuration_bounds(path: str) -> None:
    """What is bounded nowhere can be used up by anybody."""
    texts = (envoy_text(Wishes()), SHIPPED.read_text())
    ours, shipped = (found(yaml.safe_load(text), path.split(".")) for text in texts)
    assert ours == shipped != []


def found(value: Any, path: list[str]) -> list[Any]:
    """Every value in which this path of keys ends, wherever it begins."""
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    values = [one for child in below for one in found(child, path)]
    here = value
    for name in path:
        here = here.get(name) if isinstance(here, dict) else None
    return values if here is None else [here, *values]


def test_each_section_has_a_line_that_leads_to_its_page() -> None:
    text = config_text(Wishes(api_keys=True))
    lines = text.splitlines()
    sections = set(yaml.safe_load(text)) - {"version"}
    shown = {}
    for number, line in enumerate(lines):
        if found := re.match(r"([a-z_]+):", line):
            shown[found[1]] = lines[number - 1]
    known = anchors("docs/reference/configuration.md")
    for section in sections:
        assert shown[section].startswith("# "), section
        assert shown[section].endswith(f"docs/reference/configuration.md#{section}")
        assert section in known
    assert "the-key-file" in known
    assert all(len(line) <= 160 for line in lines)


def test_equal_paths_get_different_names() -> None:
    assert [route.name for route in read_routes(["/a", "/A", "GET /a", "/", "/{x}"])] == ["a", "a-2", "get-a", "root", "x"]


def test_names_stay_short() -> None:
    (route,) = read_routes(["/" + "long/" * 50])
    assert len(route.name) <= 60


@pytest.mark.parametrize("text", ["", "GET", "posts", "get /posts", "/a b c", "GET /a b c"])
def test_what_is_no_route(text: str) -> None:
    with pytest.raises(BadWish, match="PATH"):
        read_routes([text])
    with pytest.raises(BadWish):
        read_routes([])


def test_a_configuration_that_asks_nobody_is_no_start() -> None:
    with pytest.raises(BadWish, match="public"):
        read_routes(["/healthz public", "/docs public"])

"""Sites and running sidecars."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .site import Running, Site

EVERYWHERE = [("native", False), ("native", True), ("grpcio", False), ("grpcio", True)]
NAMES = ["native-tcp", "native-uds", "grpcio-tcp", "grpcio-uds"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Files for a sidecar on the native transport."""
    return Site(tmp_path)


@pytest.fixture(params=EVERYWHERE, ids=NAMES)
def site_everywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """The same on each transport and kind of socket."""
    transport, unix = request.param
    return Site(tmp_path, transport=transport, unix=unix)


@pytest.fixture(params=["native", "grpcio"])
def site_on_both(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """The same on each transport."""
    return Site(tmp_path, transport=request.param)


@pytest.fixture
def running(site: Site) -> Iterator[Running]:
    """A ready sidecar on the native transport."""
    with site.start() as started:
        yield started

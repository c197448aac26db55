"""``server.listen``, read."""

import pytest

from sidecar.wire.front import StartError
from sidecar.wire.listen import parse_listen


@pytest.mark.parametrize(
    ("listen", "bindable", "shared"),
    [
        ("127.0.0.1:9191", "127.0.0.1:9191", False),
        ("127.1.2.3:0", "127.1.2.3:0", False),
        ("[::1]:9191", "[::1]:9191", False),
        ("localhost:9191", "localhost:9191", False),
        ("0.0.0.0:9191", "0.0.0.0:9191", True),
        ("[::]:9191", "[::]:9191", True),
        ("192.0.2.1:65535", "192.0.2.1:65535", True),
        ("localhost.example.com:1", "localhost.example.com:1", True),
        ("unix:///run/sidecar/check.sock", "unix:/run/sidecar/check.sock", False),
        ("unix:/run/check.sock", "unix:/run/check.sock", False),
    ],
)
def test_places(listen: str, bindable: str, shared: bool):
    """Security rule 24: what is not surely loopback counts as reachable by others."""
    target = parse_listen(listen)
    assert target.bindable() == bindable
    assert target.shared() is shared


@pytest.mark.parametrize(
    "listen", ["", ":9191", "9191", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "h:65536", "h:-1", "h:\u0661", "unix:", "unix://run/x"]
)
def test_what_is_no_place(listen: str):
    with pytest.raises(StartError, match=r"server\.listen"):
        parse_listen(listen)


def test_the_bound_port_replaces_zero():
    assert parse_listen("127.0.0.1:0").bound(4711) == "127.0.0.1:4711"
    assert parse_listen("[::1]:0").bound(4711) == "[::1]:4711"
    assert parse_listen("unix:///run/x").bound(1) == "unix:///run/x"

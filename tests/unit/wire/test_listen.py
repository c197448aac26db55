"""``server.listen``, as the gRPC libraries take it and as operators read it."""

import pytest

from sidecar.model.addresses import Listen, parse_listen
from sidecar.wire.listen import bindable, bound


def place(text: str) -> Listen:
    listen = parse_listen(text)
    assert listen is not None
    return listen


@pytest.mark.parametrize(
    ("listen", "wanted"),
    [
        ("127.0.0.1:9191", "127.0.0.1:9191"),
        ("[::1]:9191", "[::1]:9191"),
        ("localhost:9191", "localhost:9191"),
        ("[::]:9191", "[::]:9191"),
        ("unix:///run/sidecar/check.sock", "unix:/run/sidecar/check.sock"),
    ],
)
def test_places(listen: str, wanted: str):
    assert bindable(place(listen)) == wanted


def test_the_bound_port_replaces_zero():
    assert bound(place("127.0.0.1:0"), 4711) == "127.0.0.1:4711"
    assert bound(place("[::1]:0"), 4711) == "[::1]:4711"
    assert bound(place("unix:///run/x"), 1) == "unix:///run/x"

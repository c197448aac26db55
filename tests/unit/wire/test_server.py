"""Which transport serves, and why."""

from dataclasses import replace

import pytest

from sidecar.model.addresses import Listen, parse_listen
from sidecar.model.settings import TlsSettings
from sidecar.wire.front import StartError
from sidecar.wire.server import choose_transport
from tests.support.server_settings import SETTINGS

TLS = TlsSettings(cert_file="/c", key_file="/k", client_ca_file=None)


def place(text: str) -> Listen:
    listen = parse_listen(text)
    assert listen is not None
    return listen


@pytest.mark.parametrize(
    ("listen", "transport", "tls", "installed", "chosen"),
    [
        ("127.0.0.1:1", "auto", None, True, "native"),
        ("[::1]:1", "auto", None, True, "native"),
        ("localhost:1", "auto", None, True, "native"),
        ("LOCALHOST:1", "auto", None, True, "native"),
        ("unix:///run/s", "auto", None, True, "native"),
        ("127.0.0.1:1", "auto", None, False, "grpcio"),
        ("127.0.0.1:1", "auto", TLS, True, "grpcio"),
        ("unix:///run/s", "auto", TLS, True, "grpcio"),
        ("0.0.0.0:1", "auto", None, True, "grpcio"),
        ("[::]:1", "auto", None, True, "grpcio"),
        ("10.0.0.1:1", "auto", None, True, "grpcio"),
        ("sidecar.internal:1", "auto", None, True, "grpcio"),
        ("127.0.0.1:1", "grpcio", None, True, "grpcio"),
        ("127.0.0.1:1", "native", None, True, "native"),
    ],
)
def test_the_transport_chosen(listen: str, transport: str, tls: TlsSettings | None, installed: bool, chosen: str):
    """Security rule 24."""
    settings = replace(SETTINGS, listen=listen, transport=transport, tls=tls)
    choice = choose_transport(settings, place(listen), native_installed=installed)
    assert choice.name == chosen
    assert choice.reason


@pytest.mark.parametrize(
    ("listen", "tls", "installed", "word"),
    [("127.0.0.1:1", TLS, True, "TLS"), ("0.0.0.0:1", None, True, "other machines"), ("127.0.0.1:1", None, False, "not installed")],
)
def test_native_where_it_cannot_serve_is_an_error(listen: str, tls: TlsSettings | None, installed: bool, word: str):
    """Security rule 24."""
    settings = replace(SETTINGS, listen=listen, transport="native", tls=tls)
    with pytest.raises(StartError, match=word):
        choose_transport(settings, place(listen), native_installed=installed)

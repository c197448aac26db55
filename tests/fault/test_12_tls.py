"""Row 12: the IdP's certificate is expired, another host's, or from a new CA that comes to disk later."""

import datetime as dt
import ssl
import time
from collections.abc import Callable, Iterator

import pytest
import trustme

from tests.serve.site import eventually, replace

from .faulty_issuer import FaultyIssuer
from .invariants import Watch
from .scene import Scene

HOST = "127.0.0.1"
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def server_tls(ca: trustme.CA, host: str = HOST, *, expired: bool = False) -> ssl.SSLContext:
    """What the IdP shows."""
    until = LONG_AGO + dt.timedelta(days=30) if expired else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(host, not_before=LONG_AGO, not_after=until).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """The CA that is trusted."""
    return trustme.CA()


@pytest.fixture
def corp(ca: trustme.CA) -> Iterator[FaultyIssuer]:
    """The issuer, by TLS."""
    with FaultyIssuer(tls=server_tls(ca)) as issuer:
        yield issuer


@pytest.fixture
def tls_scene(scene_of: Callable[..., Scene], ca: trustme.CA) -> Scene:
    """Trusts ``ca`` alone, from a file."""
    scene = scene_of(corp_refresh="{every: 1s, stale_max: 2s, ca_file: ../keys/ca.pem}")
    trust(scene, ca)
    return scene


def trust(scene: Scene, ca: trustme.CA) -> None:
    """Put the CA on disk."""
    replace(scene.keys / "ca.pem", ca.cert_pem.bytes().decode())


slow = pytest.mark.slow
BAD = [
    pytest.param(lambda ca: server_tls(ca, expired=True), "certificate has expired", "expired", id="expired"),
    pytest.param(lambda ca: server_tls(ca, "other.example.com"), "is not valid for", "wrong host", id="wrong-host", marks=slow),
    pytest.param(lambda _: server_tls(trustme.CA()), "certificate refused", "unknown CA", id="unknown-ca", marks=slow),
]


@pytest.mark.parametrize(("shown", "named", "words"), BAD)
def test_row_12_bad_certificate(
    shown: Callable[[trustme.CA], ssl.SSLContext],
    named: str,
    words: str,
    tls_scene: Scene,
    ca: trustme.CA,
    watch: Callable[..., Watch],
    figure: Callable[..., None],
) -> None:
    scene = tls_scene
    scene.corp.down()
    scene.corp.up(shown(ca))
    with scene.start() as running, watch(running, scene) as seen:
        eventually(lambda: len(seen.of("good")) >= 3)
        status = running.status()["issuers"]["corp"]
        mended = time.monotonic()
        scene.corp.down()
        scene.corp.up(server_tls(ca))
        recovery = eventually(lambda: running.with_token(scene.good()) == 200, 15)
    assert named in status["last_error"]
    assert scene.corp.asked.count("/jwks.json") >= 1
    assert seen.statuses("good", 0, mended) == {503}
    figure(12, f"TLS: {words}", "refused, named in /status", f"503 while it lasts; back {recovery:.1f} s after it was mended", seen)


@pytest.mark.slow
def test_row_12_ca_rotated_on_disk(tls_scene: Scene, ca: trustme.CA, watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """The server has the new CA's certificate at once, the file on disk comes later; no restart."""
    scene, new = tls_scene, trustme.CA()
    with scene.start() as running, watch(running, scene) as seen:
        eventually(lambda: len(seen.of("good")) >= 3)
        first = seen.statuses("good")
        scene.corp.down()
        scene.corp.up(server_tls(new))
        eventually(lambda: "refused" in running.status()["issuers"]["corp"]["last_error"])
        eventually(lambda: running.with_token(scene.good()) == 503, 15)  # stale_max
        pid = running.proc.pid
        trust(scene, new)
        recovery = eventually(lambda: running.with_token(scene.good()) == 200, 15)
        assert running.proc.pid == pid
    assert first == {200}
    figure(12, "TLS: CA rotated on disk", "the new CA counts without a restart", f"back {recovery:.1f} s after the file changed", seen)

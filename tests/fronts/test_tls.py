"""TLS of the check listener: client certificates, allowed peers, rotation without restart."""

import ssl
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import trustme

from sidecar.model.settings import TlsSettings
from sidecar.wire.front import StartError
from tests.support.grpc_client import code_of, connect
from tests.support.server_settings import SETTINGS

from .conftest import serving

pytestmark = pytest.mark.anyio
SPIFFE = "spiffe://cluster.local/ns/edge/sa/envoy"


class Authority:
    """A CA with a server certificate on disk, and client credentials on demand."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.folder = folder
        self.write_server()
        self.ca.cert_pem.write_to_path(str(folder / "ca.pem"))

    def write_server(self, name: str = "localhost") -> None:
        """Replace the files as a mounted secret does: complete, in one step each."""
        cert = self.ca.issue_cert(name, "127.0.0.1")
        chain = b"".join(part.bytes() for part in cert.cert_chain_pems)
        for target, pem in (("cert.pem", chain), ("key.pem", cert.private_key_pem.bytes())):
            (self.folder / "new").write_bytes(pem)
            (self.folder / "new").replace(self.folder / target)

    def settings(self, *, client_ca: bool, allowed: tuple[str, ...] = ()):
        folder = self.folder
        tls = TlsSettings(
            cert_file=str(folder / "cert.pem"),
            key_file=str(folder / "key.pem"),
            client_ca_file=str(folder / "ca.pem") if client_ca else None,
        )
        return replace(SETTINGS, transport="auto", tls=tls, allowed_peers=allowed)

    def client(self, *names: str, ca: trustme.CA | None = None) -> grpc.ChannelCredentials:
        roots = self.ca.cert_pem.bytes()
        if not names:
            return grpc.ssl_channel_credentials(roots)
        leaf = (ca or self.ca).issue_cert(*names)
        return grpc.ssl_channel_credentials(roots, leaf.private_key_pem.bytes(), b"".join(part.bytes() for part in leaf.cert_chain_pems))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_tls_takes_grpcio_and_answers(authority: Authority):
    async with serving(authority.settings(client_ca=False)) as server, connect(server.front.address, authority.client()) as client:
        assert server.front.transport == "grpcio"
        assert "TLS" in server.front.reason
        assert await client.check(b"x", timeout=5) == b"done:x"


async def test_plaintext_gets_nothing(authority: Authority):
    """Security rule 24."""
    async with serving(authority.settings(client_ca=False)) as server, connect(server.front.address) as client:
        assert await code_of(client.check(b"x", timeout=1)) in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        assert server.checks.opened == []


async def test_with_a_client_ca_a_certificate_of_it_is_needed(authority: Authority):
    """Security rule 24."""
    async with serving(authority.settings(client_ca=True)) as server:
        address = server.front.address
        for credentials in (authority.client(), authority.client("envoy", ca=trustme.CA())):
            async with connect(address, credentials) as client:
                assert await code_of(client.check(b"x", timeout=1)) in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        assert server.checks.opened == []
        async with connect(address, authority.client("envoy")) as client:
            assert await client.check(b"x", timeout=5) == b"done:x"


@pytest.mark.parametrize(("name", "admitted"), [("envoy.edge", True), ("envoy", False), ("other.edge", False)])
async def test_only_allowed_peers_are_answered(authority: Authority, name: str, admitted: bool):
    """Security rule 24: exact SANs; health, too, is for those peers only."""
    settings = authority.settings(client_ca=True, allowed=("envoy.edge", SPIFFE))
    async with serving(settings) as server, connect(server.front.address, authority.client(name)) as client:
        server.front.set_serving(True)
        if admitted:
            assert await client.check(b"x", timeout=5) == b"done:x"
            assert await client.health() == 1
            assert (await client.watch().read()).status == 1
        else:
            assert await code_of(client.check(b"x", timeout=5)) is grpc.StatusCode.PERMISSION_DENIED
            assert await code_of(client.health()) is grpc.StatusCode.PERMISSION_DENIED
            assert await code_of(client.watch().read()) is grpc.StatusCode.PERMISSION_DENIED
            assert server.checks.opened == []
        await server.settled()


async def test_a_peer_no_longer_allowed_is_out_at_once(authority: Authority):
    """Security rule 24: on its open connection, too."""
    settings = authority.settings(client_ca=True)
    async with serving(settings) as server, connect(server.front.address, authority.client("envoy")) as client:
        assert await client.check(b"x", timeout=5) == b"done:x"
        server.front.apply(replace(settings, allowed_peers=("other",)))
        assert await code_of(client.check(b"x", timeout=5)) is grpc.StatusCode.PERMISSION_DENIED
        server.front.apply(replace(settings, allowed_peers=("other", "envoy")))
        assert await client.check(b"x", timeout=5) == b"done:x"


async def test_allowed_peers_without_certificates_admit_nobody(authority: Authority):
    """The configuration forbids it; should it get here, it fails closed."""
    settings = authority.settings(client_ca=False, allowed=("envoy.edge",))
    async with serving(settings) as server, connect(server.front.address, authority.client()) as client:
        assert await code_of(client.check(b"x", timeout=5)) is grpc.StatusCode.PERMISSION_DENIED


async def test_new_certificates_are_used_without_a_restart(authority: Authority):
    async with serving(authority.settings(client_ca=False)) as server:
        host, port = server.front.address.split(":")
        before = ssl.get_server_certificate((host, int(port)))
        assert ssl.get_server_certificate((host, int(port))) == before
        authority.write_server()
        after = ssl.get_server_certificate((host, int(port)))
        assert after != before
        async with connect(server.front.address, authority.client()) as client:
            assert await client.check(b"x", timeout=5) == b"done:x"


async def test_unusable_certificates_leave_the_last_good_ones(authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with serving(authority.settings(client_ca=False)) as server:
        (tmp_path / "key.pem").unlink()
        async with connect(server.front.address, authority.client()) as client:
            assert await client.check(b"x", timeout=5) == b"done:x"
        assert "stay in use" in caplog.text
        (tmp_path / "key.pem").write_text("no key")
        async with connect(server.front.address, authority.client()) as client:
            assert await client.check(b"x", timeout=5) == b"done:x"


async def test_a_missing_certificate_at_start_is_an_error_that_names_it(authority: Authority, tmp_path: Path):
    (tmp_path / "cert.pem").unlink()
    with pytest.raises(StartError, match=r"cert\.pem"):
        async with serving(authority.settings(client_ca=False)):
            pass


async def test_a_broken_certificate_at_start_is_an_error(authority: Authority, tmp_path: Path):
    (tmp_path / "cert.pem").write_text("no certificate")
    with pytest.raises(StartError, match=r"cert\.pem"):
        async with serving(authority.settings(client_ca=False)):
            pass

"""What `server` says of the listener, through a real Envoy: whose address counts, and who may ask."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from tests.servers.envoy import EnvoyServer

from .stack import TIMEOUT, Shared, Stack, running

POSTS = "/api/v1/posts"
CLIENT, PROXY, ELSEWHERE = "203.0.113.7", "192.0.2.1", "198.51.100.9"
"""The network of the key `far` is the client's."""


class Behind(dict[tuple[str, int], Stack]):
    """Stacks by transport and ``trusted_hops``, started when first asked for."""

    def __init__(self, shared: Shared, opened: ExitStack) -> None:
        super().__init__()
        self._shared = shared
        self._opened = opened

    def __missing__(self, key: tuple[str, int]) -> Stack:
        transport, hops = key
        server = [f"client_address: {{trusted_hops: {hops}, from: [127.0.0.0/8]}}"]
        self[key] = self._opened.enter_context(running(transport, self._shared, server=server))
        return self[key]


@pytest.fixture(scope="module")
def behind(shared: Shared) -> Iterator[Behind]:
    with ExitStack() as opened:
        yield Behind(shared, opened)


@pytest.mark.parametrize(
    ("hops", "forwarded", "status"),
    [
        # Envoy appends its own peer, which is the first from the right: this test, on loopback.
        (1, CLIENT, 403),
        (2, CLIENT, 200),
        (2, f"{ELSEWHERE}, {CLIENT}", 200),
        (2, f"{CLIENT}, {ELSEWHERE}", 403),
        (2, "", 403),
        (2, "not an address", 403),
        (3, f"{CLIENT}, {PROXY}", 200),
        (3, CLIENT, 403),
    ],
)
@pytest.mark.parametrize("transport", ["native-uds"])
def test_a_key_confined_to_a_network_behind_trusted_hops(behind: Behind, transport: str, hops: int, forwarded: str, status: int):
    """Security rule 14: counted from the right, so that what a client writes itself moves nothing."""
    stack = behind[transport, hops]
    headers = [("x-api-key", stack.shared.api_keys["far"]), *([("x-forwarded-for", forwarded)] if forwarded else [])]
    reply = stack.send(POSTS, headers)
    assert reply.status == status
    assert stack.reason(reply) == ("permitted" if status == 200 else "credential_not_allowed_here")


ALLOWED = "envoy.edge"


class Mesh(NamedTuple):
    """A CA and the files that it signed."""

    folder: Path
    ca: trustme.CA

    def write(self, name: str, *identities: str, ca: trustme.CA | None = None) -> None:
        """Put a certificate for these names and its key into ``name.pem`` and ``name.key``."""
        leaf = (ca or self.ca).issue_cert(*identities)
        (self.folder / f"{name}.pem").write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(str(self.folder / f"{name}.key"))

    def server(self) -> list[str]:
        """The lines of `server`."""
        files = f"cert_file: {self.folder}/server.pem, key_file: {self.folder}/server.key, client_ca_file: {self.folder}/ca.pem"
        return [f"tls: {{{files}}}", f"allowed_peers: ['{ALLOWED}']"]

    def envoy(self, name: str) -> dict[str, Any]:
        """Envoy's UpstreamTlsContext with the certificate ``name``, or with none."""
        own = {"certificate_chain": {"filename": f"{self.folder}/{name}.pem"}, "private_key": {"filename": f"{self.folder}/{name}.key"}}
        peer = {
            "trusted_ca": {"filename": f"{self.folder}/ca.pem"},
            "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "sidecar.edge"}}],
        }
        common = {"alpn_protocols": ["h2"], "validation_context": peer, "tls_certificates": [own] if name else []}
        return {"sni": "sidecar.edge", "common_tls_context": common}


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    made = Mesh(tmp_path, trustme.CA())
    made.ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    made.write("server", "sidecar.edge")
    made.write("envoy", ALLOWED)
    made.write("neighbour", "envoy", "other.edge")
    made.write("stranger", ALLOWED, ca=trustme.CA())
    return made


@pytest.mark.parametrize("transport", ["grpcio-tcp"])
def test_only_the_allowed_peer_is_answered(transport: str, shared: Shared, mesh: Mesh):
    """Security rule 24: mutual TLS, and of its holders of certificates only those that are named; every other Envoy fails closed."""
    headers = [("authorization", f"Bearer {shared.corp.token('sam', roles=['viewer'])}")]
    with running(transport, shared, server=mesh.server(), tls=mesh.envoy("envoy")) as stack:
        assert stack.send(POSTS, headers).status == 200
        refused = stack.send(POSTS)
        assert (refused.status, stack.reason(refused)) == (401, "missing_credential")
        assert stack.envoy.healthy_sidecars() == 1
        before = shared.upstream.served.total()
        for name in ("neighbour", "stranger", ""):
            assert statuses_of(mesh, stack, name, headers) == {(503, "ext_authz_error")}, name
        assert shared.upstream.served.total() == before
        assert stack.send(POSTS, headers).status == 200


def statuses_of(mesh: Mesh, stack: Stack, name: str, headers: list[tuple[str, str]]) -> set[tuple[int, str]]:
    """What another Envoy, with the certificate ``name``, answers on a route that needs a token and on one that is open to all."""
    folder = mesh.folder / f"envoy-{name}"
    folder.mkdir()
    upstream = f"127.0.0.1:{stack.shared.upstream.port}"
    other = EnvoyServer(folder, sidecars=[stack.sidecars[0][1]], upstream=upstream, timeout=TIMEOUT, tls=mesh.envoy(name))
    try:
        assert other.healthy_sidecars() == 0
        replies = [other.send(target, headers) for target in (POSTS, "/public/page")]
        return {(reply.status, other.log_of(reply.request_id)["details"]) for reply in replies}
    finally:
        other.stop()

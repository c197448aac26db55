"""One whole stack for the end-to-end tests: issuers and upstream shared, a sidecar and an Envoy for each transport."""

import hashlib
import hmac
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from sidecar.authn.api_key import generate_key
from tests.servers.client import Reply, send
from tests.servers.envoy import EnvoyServer
from tests.servers.issuer import IssuerSimulator
from tests.servers.ports import free_port
from tests.servers.sidecar import SidecarServer
from tests.servers.upstream import EchoUpstream

TRANSPORTS = ("native-tcp", "native-uds", "grpcio-tcp", "grpcio-uds")
CONFIG = Path(__file__).with_name("sidecar.yaml")
PEPPER = b"pepper-of-the-end-to-end-tests-0123456789"
TIMEOUT = "2s"
"""Of a check, on Envoy's side; the sidecar's own deadline is 1 s here. Shipped: 250 and 150 ms, too close for a machine full of tests."""
KEYS: dict[str, dict[str, Any]] = {
    "good": {"roles": ["viewer"]},
    "expired": {"roles": ["viewer"], "expires_at": "2020-01-01T00:00:00Z"},
    "early": {"roles": ["viewer"], "not_before": "2199-01-01T00:00:00Z"},
    "revoked": {"roles": ["viewer"], "revoked": True},
    "elsewhere": {"roles": ["viewer"], "routes": ["read-post"]},
    "far": {"roles": ["viewer"], "cidrs": ["203.0.113.0/24"]},
    "powerless": {},
}


@dataclass(frozen=True, slots=True)
class Shared:
    """What every stack of a test run uses."""

    corp: IssuerSimulator
    partner: IssuerSimulator
    upstream: EchoUpstream
    api_keys: dict[str, str]
    """API keys by their id."""

    def key_file(self) -> str:
        """The text of the key file (JSON is YAML)."""
        return json.dumps(
            {"keys": [{"id": name, "owner": f"{name}-owner", "digest": digest(self.api_keys[name]), **rest} for name, rest in KEYS.items()]}
        )


def digest(key: str) -> str:
    """A digest as key files hold it."""
    return f"hmac-sha256:1:{hmac.new(PEPPER, key.encode(), hashlib.sha256).hexdigest()}"


@contextmanager
def shared_parts() -> Iterator[Shared]:
    """Issuers and upstream."""
    with IssuerSimulator("RS256") as corp, IssuerSimulator("EdDSA") as partner, EchoUpstream() as upstream:
        yield Shared(corp, partner, upstream, {name: generate_key("sk") for name in KEYS})


class Stack:
    """A sidecar (or several) behind one Envoy."""

    def __init__(
        self,
        folder: Path,
        transport: str,
        shared: Shared,
        *,
        sidecars: int = 1,
        failure_mode_allow: bool = False,
        server: Sequence[str] = (),
        tls: Mapping[str, Any] | None = None,
    ) -> None:
        """Start it. ``transport`` is one of TRANSPORTS; ``server``: lines for that section; ``tls``: Envoy's UpstreamTlsContext."""
        self.shared = shared
        self.folder = folder
        self._transport = transport
        self._server = server
        self._open = ExitStack()
        try:
            self.sidecars = [self._sidecar(number) for number in range(sidecars)]
            self.envoy = EnvoyServer(
                folder,
                sidecars=[listen for _, listen in self.sidecars],
                upstream=f"127.0.0.1:{shared.upstream.port}",
                plain=True,
                failure_mode_allow=failure_mode_allow,
                timeout=TIMEOUT,
                tls=tls,
            )
            self._open.callback(self.envoy.stop)
        except BaseException:
            self.stop()
            raise

    def _sidecar(self, number: int) -> tuple[SidecarServer, str]:
        front, _, kind = self._transport.partition("-")
        home = self.folder / f"sidecar-{number}"
        home.mkdir()
        keys, pepper, config = home / "keys.yaml", home / "pepper", home / "config.yaml"
        keys.write_text(self.shared.key_file())
        pepper.write_bytes(PEPPER)
        listen = f"unix://{home}/check.sock" if kind == "uds" else f"127.0.0.1:{free_port()}"
        telemetry, admin = free_port(), free_port()
        values = {
            "LISTEN": listen,
            "TRANSPORT": front,
            "SERVER": "".join(f"\n  {line}" for line in self._server),
            "TELEMETRY": telemetry,
            "ADMIN": admin,
            "CORP": self.shared.corp.url,
            "PARTNER": self.shared.partner.url,
            "KEYS": keys,
            "PEPPER": pepper,
        }
        config.write_text(Template(CONFIG.read_text()).substitute(values))
        server = SidecarServer(home, config, telemetry=telemetry, admin=admin)
        self._open.callback(server.stop)
        return server, listen

    @property
    def sidecar(self) -> SidecarServer:
        """The first sidecar."""
        return self.sidecars[0][0]

    def send(self, target: str, headers: Any = (), **options: Any) -> Reply:
        """One request through the shipped, hardened listener."""
        return self.envoy.send(target, headers, **options)

    def send_plain(self, target: str, headers: Any = (), **options: Any) -> Reply:
        """One request through a listener with Envoy's defaults: nothing hardened, headers merged."""
        return send(self.envoy.plain_port, target, headers, **options)

    def logged(self, reply: Reply) -> dict[str, Any]:
        """Envoy's access-log line of the request that got this reply."""
        return self.envoy.log_of(reply.request_id)

    def reason(self, reply: Reply) -> str:
        """The exact reason of the decision, from its record."""
        return self.sidecar.record_of(self.logged(reply)["decision_id"])["reason"]

    def stop(self) -> None:
        """Stop everything that was started."""
        self._open.close()


@contextmanager
def running(transport: str, shared: Shared, **options: Any) -> Iterator[Stack]:
    """A stack in a short temporary folder (a Unix socket's path has at most 107 bytes)."""
    with tempfile.TemporaryDirectory(prefix="sidecar-e2e-") as folder:
        stack = Stack(Path(folder), transport, shared, **options)
        try:
            yield stack
        finally:
            stack.stop()

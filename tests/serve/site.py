"""A configuration on disk, a sidecar process on it, and a gRPC client in Envoy's place."""

import json
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import grpc

from sidecar.app.key_files import add_key, plain_key_file
from sidecar.authn.mint import new_private_jwk, public_jwks, sign
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest, CheckResponse
from sidecar.wire._gen.health_pb2 import HealthCheckRequest, HealthCheckResponse
from tests.servers.checks import get_check
from tests.servers.client import send
from tests.servers.ports import free_port
from tests.servers.proc import Proc

ROOT = Path(__file__).parents[2]
ISSUER = "https://idp.example.com"
AUDIENCE = "https://api.example.com"
PEPPER = "pepper-of-these-tests-0123456789"

CONFIG = """\
version: 1
server:
  listen: {listen}
  transport: {transport}
  shutdown_delay: {shutdown_delay}
  shutdown_timeout: {shutdown_timeout}
telemetry: {{listen: "127.0.0.1:{telemetry}"}}
admin: {{listen: "127.0.0.1:{admin}"}}
issuers:
  corp:
    issuer: https://idp.example.com
    audiences: [https://api.example.com]
    max_lifetime: 1h
    keys: {{file: ../keys/jwks.json}}
    claims: {{roles: {{from: roles}}}}
api_keys:
  partners:
    store: {{file: ../keys/keys.yaml}}
    peppers: {{"1": {{file: ../keys/pepper}}}}
roles:
  viewer: {{permissions: ["posts:read"]}}
routes:
  posts: {{methods: [GET], paths: [/posts], authenticate: [corp, partners], require: {{permission: "posts:read"}}}}
  health: {{methods: [GET], paths: [/healthz], authenticate: [anonymous]}}
identity_headers: {{x-user-id: subject, x-user-issuer: issuer}}
"""


class Site:
    """The files; ``conf`` is the configuration directory. Nothing runs before :meth:`start`."""

    def __init__(self, folder: Path, *, transport: str = "native", unix: bool = False, **options: str) -> None:
        self.folder = folder
        self.conf = folder / "conf"
        self.keys = folder / "keys"
        self.conf.mkdir()
        self.keys.mkdir()
        self.telemetry, self.admin = free_port(), free_port()
        self.address = f"unix://{folder}/check.sock" if unix else f"127.0.0.1:{free_port()}"
        self.options = {"shutdown_delay": "100ms", "shutdown_timeout": "5s", "transport": transport} | options
        self.arguments: list[str] = []
        """Of ``serve``, besides the configuration."""
        self.private = new_private_jwk("ES256", "k1")
        (self.keys / "pepper").write_text(PEPPER)
        (self.keys / "keys.yaml").write_text("keys: []\n")
        self.publish(self.private)
        self.write(self.config())

    def config(self) -> str:
        return CONFIG.format(listen=json.dumps(self.address), telemetry=self.telemetry, admin=self.admin, **self.options)

    def write(self, text: str, name: str = "config.yaml") -> None:
        """Replace a configuration file in one step."""
        replace(self.conf / name, text)

    def edit(self, old: str, new: str) -> None:
        text = (self.conf / "config.yaml").read_text()
        assert text.count(old) == 1, old
        self.write(text.replace(old, new))

    def publish(self, *private: Mapping[str, Any]) -> None:
        """Put the public halves of keys into the JWKS file."""
        replace(self.keys / "jwks.json", json.dumps({"keys": [key for one in private for key in public_jwks(one)["keys"]]}))

    def token(self, *, key: Mapping[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300, "roles": ["viewer"]} | claims
        return sign(json.dumps(key or self.private).encode(), None, {"typ": "at+jwt"}, payload)

    def new_key(self, key_id: str) -> str:
        file = plain_key_file(str(self.keys / "keys.yaml"), {"1": ("file", str(self.keys / "pepper"))})
        return add_key(file, key_id, "sk", None, {"permissions": ["posts:read"]}).key

    def command(self) -> list[str]:
        """What starts the sidecar."""
        return [sys.executable, "-m", "sidecar", "serve", "--config", str(self.conf), *self.arguments]

    def start(self, *, ready: bool = True) -> "Running":
        running = Running(self)
        if ready:
            running.proc.wait_ready(running.ready, 30)
        return running


def replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.replace(path)


class Running:
    """A started sidecar."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.proc = Proc("sidecar", site.command(), site.folder, cwd=ROOT)
        self.channel = grpc.insecure_channel(
            site.address.replace("unix://", "unix:"), options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        )
        self._check = self.channel.unary_unary("/envoy.service.auth.v3.Authorization/Check", CheckRequest.SerializeToString)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        if self.proc.popen.poll() is None:
            self.proc.kill()

    def ready(self) -> bool:
        try:
            return self.page("readyz")[0] == 200
        except OSError:
            return False

    def page(self, name: str) -> tuple[int, str]:
        """Status and text of a page of the telemetry listener."""
        reply = send(self.site.telemetry, f"/{name}", host=f"127.0.0.1:{self.site.telemetry}", timeout=2)
        return reply.status, reply.body.decode()

    def status(self) -> Any:
        return send(self.site.admin, "/status", host=f"127.0.0.1:{self.site.admin}").json

    def metric(self, line: str) -> float:
        """The value of one sample by its name and labels."""
        found = re.search(rf"^sidecar_{re.escape(line)} (\S+)$", self.page("metrics")[1], re.MULTILINE)
        assert found is not None, line
        return float(found[1])

    def check(self, path: str = "/posts", *, timeout: float = 5, **headers: str) -> CheckResponse:
        return CheckResponse.FromString(self._check(get_check(path, **headers), timeout=timeout))

    def http_status(self, path: str = "/posts", **headers: str) -> int:
        """200 for an allow, else the denial's status."""
        answer = self.check(path, **headers)
        return 200 if answer.status.code == 0 else answer.denied_response.status.code

    def with_token(self, token: str) -> int:
        return self.http_status(authorization=f"Bearer {token}")

    def with_key(self, key: str) -> int:
        return self.http_status(x_api_key=key)

    def health(self) -> int:
        ask = self.channel.unary_unary("/grpc.health.v1.Health/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString)
        answer: HealthCheckResponse = ask(HealthCheckRequest(), timeout=5)
        return answer.status

    def records(self) -> list[Any]:
        return [json.loads(line) for line in self.proc.stdout.read_text().splitlines()]

    def log(self) -> str:
        return self.proc.stderr.read_text()

    def logged(self, text: str) -> bool:
        """Whether the log says it; lines are written by a thread, so it may take a moment."""
        eventually(lambda: text in self.log())
        return True

    def terminate(self) -> None:
        self.proc.signal(signal.SIGTERM)


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> float:
    """Wait until it is true; return the seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not become true"
        time.sleep(0.01)
    return time.monotonic() - began


class Load:
    """A caller that asks without a pause until it is stopped, and counts what it gets."""

    def __init__(self, running: Running, token: str) -> None:
        self.answers: list[int] = []
        self.errors: list[str] = []
        self._running = running
        self._token = token
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(self._running.with_token(self._token))
            except grpc.RpcError as error:
                self.errors.append(str(error.code()))
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

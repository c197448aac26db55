"""Starts everything that the demo needs, in a temporary folder, and stops it again."""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.envoy import EnvoyServer
from tests.servers.issuer import IssuerSimulator
from tests.servers.ports import free_port
from tests.servers.sidecar import SidecarServer
from tests.servers.upstream import EchoUpstream

HERE = Path(__file__).parent
KEYS: dict[str, tuple[str, ...]] = {
    "billing": ("--owner", "billing", "--permission", "posts:read"),
    "partner": ("--permission", "posts:read"),
    "old": ("--owner", "billing", "--permission", "posts:read", "--expires-at", "2020-01-01T00:00:00Z"),
    "leaked": ("--owner", "billing", "--permission", "posts:read"),
}
"""API keys to make, with the options of ``sidecar keys new``."""


class Parts:
    """A running demo. ``envoy.port`` is hardened as shipped, ``envoy.plain_port`` has Envoy's defaults."""

    issuer: IssuerSimulator
    upstream: EchoUpstream
    sidecar: SidecarServer
    envoy: EnvoyServer

    def __init__(self) -> None:
        """Start everything; nothing is left behind when that fails."""
        self._open = ExitStack()
        self.api_keys: dict[str, str] = {}
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise

    def _start(self) -> None:
        self.folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="sidecar-demo-")))
        self.issuer = self._open.enter_context(IssuerSimulator("RS256"))
        self.upstream = self._open.enter_context(EchoUpstream())
        listen, telemetry, admin = f"unix://{self.folder}/check.sock", free_port(), free_port()
        self.config = self._configure(
            {
                "unix:///run/sidecar/check.sock": listen,
                "127.0.0.1:9193": f"127.0.0.1:{telemetry}",
                "127.0.0.1:9192": f"127.0.0.1:{admin}",
                "http://127.0.0.1:9180": self.issuer.url,
            }
        )
        self._make_keys()
        self.sidecar = SidecarServer(self.folder, self.config, telemetry=telemetry, admin=admin)
        self._open.callback(self.sidecar.stop)
        self.envoy = EnvoyServer(self.folder, sidecars=[listen], upstream=f"127.0.0.1:{self.upstream.port}", plain=True)
        self._open.callback(self.envoy.stop)

    def _configure(self, addresses: dict[str, str]) -> Path:
        text = (HERE / "sidecar.yaml").read_text()
        for example, ours in addresses.items():
            text = text.replace(example, ours)
        home = self.folder / "etc"
        shutil.copytree(HERE / "keys", home / "keys")
        (home / "keys" / "pepper").write_text(secrets.token_hex(32))
        config = home / "sidecar.yaml"
        config.write_text(text)
        return config

    def _make_keys(self) -> None:
        for name, options in KEYS.items():
            self.api_keys[name] = self.command("keys", "new", "--config", str(self.config), "--id", name, *options)["key"]
        self.command("keys", "revoke", "leaked", "--config", str(self.config))

    def command(self, *arguments: str) -> dict[str, str]:
        """Run a command of the sidecar, as an operator would, and return its JSON.

        Raises:
            RuntimeError: it failed.
        """
        done = subprocess.run(
            [sys.executable, "-m", "sidecar", *arguments, "--output", "json"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"sidecar {' '.join(arguments)}: {done.stdout}{done.stderr}")
        answer: dict[str, str] = json.loads(done.stdout)
        return answer

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop everything, in reverse order."""
        self._open.close()

"""Opening the listener: what a front says of itself, ports, socket files."""

# ruff: noqa: ASYNC240 - a test may look at a file on its loop

import logging
import os
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.wire.front import StartError
from tests.support.grpc_client import connect
from tests.support.server_settings import SETTINGS

from .conftest import Start, serving

pytestmark = pytest.mark.anyio


async def test_the_front_says_what_it_is(start: Start, caplog: pytest.LogCaptureFixture):
    """The start-up log names the risk of native on TCP, which a Unix socket does not have."""
    with caplog.at_level(logging.WARNING):
        async with start() as server:
            front = server.front
            assert front.transport == server.settings.transport
            assert front.reason == "configured"
            assert front.alive()
            assert front.address.startswith("unix:///" if server.settings.listen.startswith("unix") else "127.0.0.1:")
            assert not front.address.endswith(":0")
            risky = front.transport == "native" and not front.address.startswith("unix")
            assert ("without limit" in caplog.text) is risky


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:x", "unix:/run/check.sock"])
async def test_what_is_no_address_is_an_error_that_names_it(listen: str):
    with pytest.raises(StartError, match=rf"server\.listen: {listen}: write host:port or unix:///path"):
        async with serving(replace(SETTINGS, listen=listen)):
            pass


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_a_port_in_use_is_an_error_that_names_it(transport: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartError, match=listen):
            async with serving(replace(SETTINGS, transport=transport, listen=listen)):
                pass


@pytest.mark.parametrize("transport", ["native", "grpcio"])
class TestSocketFile:
    @pytest.fixture
    def settings(self, transport: str, socket_path: Path):
        return replace(SETTINGS, transport=transport, listen=f"unix://{socket_path}")

    @pytest.mark.parametrize("mode", [0o660, 0o600, 0o666])
    async def test_it_has_socket_mode_and_the_umask_is_as_before(self, settings, socket_path: Path, mode: int):
        """Security rule 24: the libraries would leave it to the umask."""
        before = os.umask(0o022)
        try:
            async with serving(replace(settings, socket_mode=mode)):
                assert stat.S_IMODE(socket_path.stat().st_mode) == mode
            assert os.umask(0o022) == 0o022
        finally:
            os.umask(before)

    async def test_its_mode_can_be_changed(self, settings, socket_path: Path, caplog: pytest.LogCaptureFixture):
        async with serving(settings) as server:
            server.front.apply(replace(settings, socket_mode=0o600))
            assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
            socket_path.unlink()
            server.front.apply(settings)
            assert "socket_mode" in caplog.text

    async def test_it_is_removed_at_the_end(self, settings, socket_path: Path):
        async with serving(settings):
            assert socket_path.exists()
        assert not socket_path.exists()

    async def test_a_stale_one_is_replaced(self, settings, socket_path: Path):
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(socket_path))
        assert socket_path.exists()
        async with serving(settings) as server, connect(server.front.address) as client:
            assert await client.check(b"x") == b"done:x"

    async def test_one_that_somebody_serves_is_left_alone(self, settings, socket_path: Path):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(socket_path))
            other.listen()
            inode = socket_path.stat().st_ino
            with pytest.raises(StartError, match="another process listens"):
                async with serving(settings):
                    pass
            assert socket_path.stat().st_ino == inode

    @pytest.mark.parametrize("kind", ["file", "folder", "link"])
    async def test_what_is_no_socket_is_left_alone(self, settings, socket_path: Path, kind: str, tmp_path: Path):
        if kind == "file":
            socket_path.write_text("precious")
        elif kind == "folder":
            socket_path.mkdir()
        else:
            (tmp_path / "precious").write_text("precious")
            socket_path.symlink_to(tmp_path / "precious")
        with pytest.raises(StartError, match="is no socket"):
            async with serving(settings):
                pass
        assert socket_path.exists()

    async def test_a_folder_that_is_not_there_is_an_error(self, settings, tmp_path: Path):
        with pytest.raises(StartError, match="gone"):
            async with serving(replace(settings, listen=f"unix://{tmp_path}/gone/check.sock")):
                pass


def test_native_never_loads_grpc():
    code = "import sidecar.wire.server, sidecar.wire.front_native, sys; assert 'grpc' not in sys.modules, 'loaded'"
    subprocess.run([sys.executable, "-c", code], check=True)

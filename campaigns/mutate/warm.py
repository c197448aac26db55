"""A process that has loaded pytest and the libraries, and runs each order of tests in a fork of itself.

Nothing of ``sidecar`` or ``tests`` is loaded here: each fork reads them anew, broken as they are then. Reads a list of
pytest's arguments and a timeout as one line of JSON, answers with exit code (None: out of time) and output as another.
"""

import gc
import importlib
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress

HEAVY = (
    "_pytest.assertion.rewrite", "_pytest.junitxml", "_pytest.pastebin", "_hypothesis_pytestplugin", "anyio.pytest_plugin",
    "asyncio", "cachetools", "cryptography.hazmat.primitives.asymmetric.ec", "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.asymmetric.rsa", "cryptography.hazmat.primitives.serialization", "google.protobuf.json_format",
    "hypothesis.strategies", "jwt", "msgspec", "pydantic", "pytest", "yaml",
)  # fmt: skip
"""No gRPC library: they do not survive a fork."""


def main() -> None:
    """Answer orders until there are no more."""
    sys.path.pop(0)  # the folder of this file
    for name in HEAVY:
        with suppress(ImportError):
            importlib.import_module(name)
    assert not {"sidecar", "tests", "grpc"} & sys.modules.keys()
    gc.collect()
    gc.freeze()
    _say([_origin("sidecar"), _origin("tests")])
    for line in sys.stdin:
        arguments, timeout = json.loads(line)
        _say(_order(arguments, timeout))


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _origin(name: str) -> str:
    spec = importlib.util.find_spec(name)
    return str(spec.origin) if spec is not None else ""


def _order(arguments: list[str], timeout: float) -> tuple[int | None, str]:
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            _run(arguments, output.fileno())
        code = _wait(child, timeout)
        output.seek(0)
        return code, output.read().decode("utf-8", "replace")


def _run(arguments: list[str], output: int) -> None:
    """Never returns."""
    code = 70
    try:
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        import pytest  # noqa: PLC0415 - loaded by main

        code = int(pytest.main(arguments))
    except BaseException:  # noqa: BLE001 - the end of this process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int, timeout: float) -> int | None:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


if __name__ == "__main__":
    main()

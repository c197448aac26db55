"""Puts a Check service together as ``serve`` does, without a front and without a loop."""

import gc
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.records import RecordWriter
from sidecar.adapters.secrets import FileAndEnvSecrets
from sidecar.app.issuer_sources import load_keys
from sidecar.app.validation import validate_sync
from sidecar.authn.keytable import ALWAYS, KeyTable
from sidecar.engine.check import Engine
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.ids import DecisionIds
from sidecar.engine.snapshot import Current, LiveTables
from sidecar.model.meter import Meter
from sidecar.model.steps import to_end
from sidecar.wire.service import CheckService

from .configs import Shape, write_config

CLOSE_SECONDS = 5.0


class Service:
    """A running Check service whose records go through a pipe to another process."""

    def __init__(self, config: Path) -> None:
        """Validate (in the validator child), load keys, compile, start the record writer."""
        settings = validate_sync(str(config)).settings
        tables = {name: KeyTable() for name in settings.issuers}
        for name, table in tables.items():
            keys = load_keys(settings.issuers[name], FileAndEnvSecrets(), lambda path, size: Path(path).read_bytes()[:size])
            table.replace(keys, ALWAYS)
        self._reader = subprocess.Popen(["wc", "-l"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._reader.stdin is not None
        self._sink = RecordWriter(self._reader.stdin.fileno())
        self.meter = Meter()
        snapshot = to_end(compile_snapshot(settings, "0123456789abcdef", LiveTables(keys=tables, api_keys={}), self.meter))
        self.current = Current(snapshot)
        self.checks = CheckService(Engine(self.meter), self.current, SystemClock(), self._sink, self.meter, DecisionIds(os.urandom(6)))

    def close(self) -> int:
        """Write what waits; return how many records the other process has read."""
        if not self._sink.close(CLOSE_SECONDS):
            raise RuntimeError("records were left unwritten")
        return int(self._reader.communicate()[0])


@contextmanager
def running_service(folder: Path, jwks: str, shape: Shape) -> Iterator[Service]:
    """A service on a new configuration in ``folder``. Raises RuntimeError if not every decision was recorded and read."""
    service = Service(write_config(folder, jwks, shape))
    try:
        yield service
    finally:
        recorded = service.close()
        gc.unfreeze()
    decided = sum(sum(row.decisions.values()) for row in service.meter.rows.values())
    if recorded != decided:
        raise RuntimeError(f"{recorded} records were read of {decided} decisions")

"""The validator child (``python -m sidecar.app.validator``): the only process that loads YAML and pydantic.

Reads one request from stdin and answers in frames on stdout. What it cannot foresee ends it with a place in the
code on stderr, never with the text of an exception, which could hold a piece of the configuration.
"""

import gc
import os
import pickle
import sys
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from sidecar.model.errors import ConfigError

from .frames import END, LENGTH, PROBLEMS, SETTINGS, Request, write_frame, write_parts

NICE = 5
"""Gives way to the deciding thread, which keeps three quarters of a core that both want; 10 can hold a reload up for seconds."""


def main() -> None:
    """Answer one request."""
    sys.excepthook = _report
    gc.disable()  # one short run over many small objects
    source, output = sys.stdin.buffer, _own_stdout()
    (length,) = LENGTH.unpack(source.read(LENGTH.size))
    request: Request = pickle.loads(source.read(length))  # noqa: S301 - from the parent, which started this process
    if request.background:
        os.nice(NICE)
    try:
        _ANSWERS[request.kind](request, output)
    except ConfigError as error:
        write_frame(output, PROBLEMS, error.problems)
    write_frame(output, END, None)
    output.flush()


def _own_stdout() -> BinaryIO:
    """Keep stdout to ourselves: whatever else prints goes to stderr."""
    own = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return own


def _config(request: Request, output: BinaryIO) -> None:
    from dataclasses import replace  # noqa: PLC0415

    from sidecar.config.files import ConfigFiles  # noqa: PLC0415
    from sidecar.config.load import load  # noqa: PLC0415 - loads pydantic, after the request was read

    files = ConfigFiles(path=request.path, base=request.base, is_directory=request.is_directory, files=request.files)
    loaded = load(files, request.environment, with_files=request.with_files)
    settings = loaded.settings
    write_frame(output, SETTINGS, replace(settings, roles={}, users=(), routes={}, policies={}))
    write_parts(output, "roles", tuple(settings.roles.values()))
    write_parts(output, "users", settings.users)
    write_parts(output, "routes", tuple(settings.routes.values()))
    write_parts(output, "policies", tuple(settings.policies.values()))
    write_parts(output, "warnings", loaded.warnings)
    for store, entries in loaded.key_entries.items():
        write_parts(output, f"keys:{store}", entries)
    for source, table in loaded.tables.items():
        write_parts(output, f"table:{source}", table)


def _key_file(request: Request, output: BinaryIO) -> None:
    from sidecar.config.keyfile import parse_key_file  # noqa: PLC0415 - loads pydantic

    ((name, content),) = request.files
    entries, problems = parse_key_file(name, content, request.peppers)
    if problems:
        raise ConfigError(problems)
    write_parts(output, f"keys:{request.path}", entries)


def _table(request: Request, output: BinaryIO) -> None:
    from sidecar.config.tables import read_table  # noqa: PLC0415 - not for configurations without one

    ((name, content),) = request.files
    entries, problems = read_table(name, content, request.form)
    if problems:
        raise ConfigError(problems)
    write_parts(output, f"table:{request.path}", entries)


_ANSWERS = {"config": _config, "key_file": _key_file, "table": _table}


def _report(kind: type[BaseException], _: BaseException, traceback: TracebackType | None) -> None:
    place = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if f"{os.sep}sidecar{os.sep}" in code.co_filename:
            place = f" at {Path(code.co_filename).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    sys.stderr.write(f"{kind.__name__}{place}\n")


if __name__ == "__main__":
    main()

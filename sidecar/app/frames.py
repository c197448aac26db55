"""What the validator child and its parent say to each other: one pickled request, then frames with a kind and a length.

The child runs this very package, so pickle is no wire format here; even so the parent loads nothing but the
value types of ``sidecar.model``, since the child has read what operators (or whoever writes the files) wrote.
"""

import io
import pickle
import struct
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO, Literal, NamedTuple

from sidecar.model.errors import SidecarError

HEADER = struct.Struct(">cII")
"""Kind, length and CRC-32 of the payload: pickle is no parser for what is not its own."""
LENGTH = struct.Struct(">Q")
MAX_TOTAL = 512 * 1024 * 1024
PROTOCOL = 5

SETTINGS, PART, PROBLEMS, END = b"S", b"P", b"X", b"E"

PART_SIZE = 20
"""Values in one part: unpickling one takes at most 0.2 ms, so that a serving front is not stalled."""


class Request(NamedTuple):
    """What the child shall validate: a configuration's files, one API key file, or one table of attributes."""

    kind: Literal["config", "key_file", "table"]
    path: str
    base: str
    is_directory: bool
    files: tuple[tuple[str, bytes], ...]
    with_files: bool
    environment: frozenset[str]
    """Names of the variables that are set for the sidecar; the child has none of their values."""
    peppers: frozenset[str]
    background: bool
    """Another process serves meanwhile: take the CPU only when nobody else wants it."""
    form: Literal["json", "csv"] = "json"
    """Of a table."""


class BadFrame(SidecarError):
    """The child said something that is not a frame of ours."""


class _ModelsOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Give the value types of the model, and frozenset; nothing else can be named."""
        if (module, name) == ("builtins", "frozenset"):
            return frozenset
        if module.startswith("sidecar.model.") and "." not in name:  # pickle follows dots, out of the module
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise BadFrame(f"a frame names {module}.{name}")


def loads(payload: bytes, checksum: int) -> Any:
    """Unpickle one frame's payload. Raises BadFrame."""
    if zlib.crc32(payload) != checksum:
        raise BadFrame("a frame is damaged")
    try:
        return _ModelsOnly(io.BytesIO(payload)).load()
    except (
        pickle.UnpicklingError,
        AttributeError,
        EOFError,
        ImportError,
        LookupError,
        MemoryError,
        OverflowError,
        TypeError,
        ValueError,
    ) as error:
        raise BadFrame(f"a frame cannot be read: {type(error).__name__}") from None


def write_frame(stream: BinaryIO, kind: bytes, value: object) -> None:
    """Write one frame."""
    payload = pickle.dumps(value, PROTOCOL)
    stream.write(HEADER.pack(kind, len(payload), zlib.crc32(payload)))
    stream.write(payload)


def write_parts(stream: BinaryIO, name: str, values: Sequence[object]) -> None:
    """Write a sequence in parts that are each quick to load; the receiver appends them."""
    for start in range(0, len(values), PART_SIZE):
        write_frame(stream, PART, (name, tuple(values[start : start + PART_SIZE])))

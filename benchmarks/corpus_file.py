"""Prepared messages in a file: the driver is a process of its own and should not have to make them."""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_LENGTHS = struct.Struct(">IH")


class Message(NamedTuple):
    """A serialised CheckRequest, and bytes that only the right answer to it holds."""

    body: bytes
    needle: bytes


def write_corpus(path: Path, messages: Iterable[Message]) -> None:
    """Write messages, each as two lengths, body, needle."""
    with path.open("wb") as out:
        for body, needle in messages:
            out.write(_LENGTHS.pack(len(body), len(needle)) + body + needle)


def read_corpus(path: Path | str) -> list[Message]:
    """Read what ``write_corpus`` wrote; raise ValueError when there is nothing in it."""
    data, position, messages = Path(path).read_bytes(), 0, []
    while position < len(data):
        body_size, needle_size = _LENGTHS.unpack_from(data, position)
        start = position + _LENGTHS.size
        middle = start + body_size
        position = middle + needle_size
        messages.append(Message(data[start:middle], data[middle:position]))
    if not messages:
        raise ValueError(f"{path} holds no messages")
    return messages

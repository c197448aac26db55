"""Bytes made a little wrong: what is known to be good, changed in the ways that break readers."""

import random
from collections.abc import Sequence

BLOCK = 32
MAX_SIZE = 64 * 1024
EDGES = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xc0\xae",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\xf4\x90\x80\x80",
    b"\xff\xff\xff\xff\x0f",
    b"\xff" * 9 + b"\x01",
)


def mutated(rng: random.Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Return one seed after one to six changes; ``words`` are what the format is made of."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        change(rng, data, seeds, words)
    return bytes(data[:MAX_SIZE])


def change(rng: random.Random, data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    end = min(len(data), at + rng.randint(1, BLOCK))
    kind = rng.randrange(8)
    if kind == 0 and data:
        data[at % len(data)] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[at:end]
    elif kind == 2:
        data[at:at] = rng.choice(words)
    elif kind == 3:
        data[at:end] = rng.choice(words)
    elif kind == 4:
        data[at:at] = rng.choice(EDGES)
    elif kind == 5:
        data[at:at] = data[at:end] * rng.choice((1, 2, 2, 40, 1000))
    elif kind == 6:
        other = rng.choice(seeds)
        start = rng.randint(0, len(other))
        data[at:end] = other[start : start + rng.randint(1, 4 * BLOCK)]
    else:
        del data[at:]


def smaller(data: bytes) -> list[bytes]:
    """Return what is left when a part is taken out, the largest parts first."""
    out = []
    size = len(data) // 2
    while size:
        out += [data[:start] + data[start + size :] for start in range(0, len(data), size)]
        size //= 2
    return out

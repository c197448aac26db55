"""Paths made from a grammar: a way to a handler, bent in a few places. The same seed and number give the same path."""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

PROTECTED = (b"/admin", b"/admin/x", b"/api/v1/users", b"/api/v1/users/7", b"/public/private/x", b"/static/private/secret.txt")
PUBLIC = (b"/", b"/public/page", b"/files/a", b"/api/v1/users/help", b"/static/pub/page.txt", b"/x/y", b"/public/pa.ge")
WORDS = tuple(sorted({word for path in (*PROTECTED, *PUBLIC) for word in path.split(b"/") if word}))
HOST = b"api.example.com"
FULL_WIDTH = 0xFEE0
"""From a printable ASCII character to its full-width form."""

SEPARATORS = (
    *(b"//", b"///", b"/./", b"/.//", b"\\", b"/\\", b"\\/", b"\\\\", b"%2f", b"%2F", b"%5c", b"%5C", b"%252f", b"%255c", b"%2f%2f"),
    *(b"%c0%af", b"%e0%80%af", b"%c1%9c", b"%ef%bc%8f", b"\xef\xbc\x8f", b"%e2%88%95", b"%e2%81%84", b"%u2215", b"%u002f", b"%%32%66"),
    *(b"/;/", b"/;x=1/", b";/", b";x/", b"/.;/", b"/..;/", b"/%2e/"),
    *(b"/%2E;/", b"/%20/", b"/ /", b"/%09/", b"/\t/", b"/%00/", b"/\x00/"),
    *(b"%00/", b"%0a/", b"%0d%0a/", b"/%e2%80%8b/", b"/%c2%ad", b"?/", b"#/"),
    *(b"%3f/", b"%23/", b":/", b"|", b"/~/", b"/,/", b"/..%2f", b"/*/"),
)
UPWARDS = (
    *(b"..", b"..", b"..", b"..", b"..", b"%2e%2e", b"%2E%2E"),
    *(b".%2e", b"%2e.", b"..;", b"..;x=1", b";..", b"..%3b", b"%252e%252e", b"%25252e%25252e"),
    *(b"%c0%ae%c0%ae", b"%e0%80%ae%e0%80%ae", b"%ef%bc%8e%ef%bc%8e", b"\xef\xbc\x8e\xef\xbc\x8e", b"%e2%80%a5", b"%u002e%u002e"),
    *(b"...", b"....", b"..%20", b".. ", b". .", b"%20..", b"..%00"),
    *(b"..\x00", b"..%09", b"..\t", b".\t.", b"..%0a", b"..%c2%a0", b"..%2e"),
    *(b".%c2%ad.", b".%e2%80%8b.", b"..\\", b"..%5c", b"..%2f", b"..%252f", b"./..", b"..~", b"..?", b"..#", b"..*", b"..+"),
)
SUFFIXES = (
    *(b";", b";p=1", b";jsessionid=1", b";a=b;c", b"%3b", b"%3Bx", b".", b".."),
    *(b"%2e", b" ", b"%20", b"+", b"%00", b"\x00", b"%09", b"\t"),
    *(b"%0a", b"%0d", b"%0b", b"%7f", b"\x7f", b"\x80"),
    *(b"%85", b"%c2%85", b"%c2%a0", b"%e2%80%83", b"%ef%bb%bf", b"%c2%ad", b"%e2%80%8b"),
    *(b"%cc%81", b"%ff", b"%", b"%2", b"%zz", b"%25", b".json", b"~", b"~1"),
    *(b"::$DATA", b":", b"=", b",", b"@", b"&", b"|", b"*", b"<", b'"'),
    *(b"%2ejson", b".%", b"?", b"#", b"%3f", b"%23", b"/", b"%2f", b"\\", b"%5c", b"$", b"!", b"'", b"(x)", b"[", b"{", b"^", b"`"),
)
HARMLESS = (
    *(b"~", b"=", b",", b"@", b"$", b"'", b"(x)", b"*", b":", b"&", b"+", b"-", b"_x", b".json", b"%2B", b"%7e", b"%40", b"%2A", b"%3d"),
    *(b"%26", b"%3A", b"%7c", b"%5b", b"%22", b"%3c", b"%60", b"%5E", b"%2c", b"%24", b"%21", b"%27", b"a%20b", b"%C3%A9", b"e%cc%81"),
    *(b"%c4%b1", b"%c5%bf", b"%E2%84%AA", b"%f0%9f%98%80", b"%c2%aa", b"%ce%a9", b"%d7%90", b"%c3%9f", b"%ef%bc%a1", b"%e2%85%86"),
)
"""What the sidecar lets through on most routes: the upstream must not find more in it."""
TAILS = (
    *(b"?", b"?x=1", b"?/../admin", b"?x=/admin", b"??", b"?#", b"#", b"#/admin"),
    *(b"#?", b"%3f", b"%3fx=1", b"%23", b"%23/..", b"/", b"//", b"/."),
    *(b"/..", b"/%2e", b"/%2e%2e", b"/;", b"/;x", b";", b"/.;", b"/..;"),
    *(b"%2f", b"%2f..", b"\\", b"\\..", b"/ ", b"/%20", b"/%00", b"&x", b"/*"),
    *(b"%2f%2e%2e%2fadmin", b"/..%2fadmin", b"/..%5cadmin", b"?\x00"),
    *(b"?\xff", b"/%c0%ae%c0%ae/admin", b"/../../admin", b"/index.html"),
)
HEADS = (
    *(b"/", b"//", b"///", b"/.", b"/./", b"/%2e", b"/..", b"\\"),
    *(b"/\\", b"/;", b"/%2f", b"/%5c", b"%2f", b"/%09", b"/\t", b"/ ", b"/%00"),
    *(b"//" + HOST, b"/\\" + HOST, b"//x@" + HOST),
    *(b"//" + HOST + b":80", b"http://" + HOST, b"http://other.example.com", b"https://" + HOST),
    *(b"http:", b"http:/", b"HTTP://" + HOST + b"/", b"/http://" + HOST, b"http://" + HOST + b"/.."),
    *(b"*", b"?", b"#", b"", b"/http:", b"/~"),
)
FOLDS = {"k": "\u212a", "s": "\u017f", "i": "\u0131", "a": "\u00aa", "e": "\u212f", "d": "\u2146", "m": "\u217f", "n": "\u207f"}
"""Characters that compatibility or case folding turns into a letter."""


class Case(NamedTuple):
    """One request. ``parts``: the path in pieces that can be left out; ``signed``: with a token that opens the users' API only."""

    number: int
    parts: tuple[bytes, ...]
    http2: bool
    signed: bool

    @property
    def path(self) -> bytes:
        """The path as sent."""
        return b"".join(self.parts)


def cases(seed: int, wanted: int) -> Iterator[Case]:
    """``wanted`` different paths."""
    seen: set[bytes] = set()
    number = 0
    while len(seen) < wanted:
        case = make(seed, number)
        number += 1
        if case.path not in seen and case.path:
            seen.add(case.path)
            yield case


def make(seed: int, number: int) -> Case:
    """The case with this number."""
    rng = random.Random(f"{seed}:{number}")
    bend = rng.choice((0.04, 0.1, 0.2))
    parts = [piece for index, word in enumerate(_skeleton(rng)) for piece in _pieces(rng, word, bend, first=index == 0)]
    if rng.random() < bend:
        parts.insert(0, rng.choice(HEADS))
    if rng.random() < 2 * bend:
        parts.append(rng.choice(TAILS) if rng.random() < 0.6 else b"?x=" + rng.choice(HARMLESS))
    return Case(number, tuple(parts), http2=rng.random() < 0.7, signed=rng.random() < 0.25)


def _skeleton(rng: random.Random) -> list[bytes]:
    """Segments, upward ones among them."""
    protected, public = (rng.choice(paths).split(b"/")[1:] for paths in (PROTECTED, PUBLIC))
    ups = [rng.choice(UPWARDS) for _ in range(rng.randint(1, 4))]
    match rng.randrange(12):
        case 0 | 1 | 2 | 3:
            return protected
        case 4:
            return [*public, *ups, *protected]
        case 5:
            return [*public[: rng.randint(0, len(public))], *ups, *protected]
        case 6:
            return [*protected, *ups, *public]
        case 7 | 8:
            return [*public[: rng.randint(1, len(public))], *protected]
        case _:
            return [rng.choice(WORDS) for _ in range(rng.randint(1, 5))]


def _pieces(rng: random.Random, word: bytes, bend: float, *, first: bool) -> list[bytes]:
    """A separator, the word, and what hangs on it."""
    separator = b"/" if first or rng.random() >= bend else rng.choice(SEPARATORS)
    pieces = [separator, _bent(rng, word) if rng.random() < bend else word]
    if rng.random() < bend / 2:
        pieces.append(rng.choice(SUFFIXES if rng.random() < 0.4 else HARMLESS))
    return pieces


def _bent(rng: random.Random, word: bytes) -> bytes:
    """The same word to some reader: one character in another way of writing it, or all of them."""
    if not word:
        return word
    if rng.random() < 0.2:
        return word.upper() if rng.random() < 0.5 else b"".join(b"%%%02X" % char for char in word)
    place = rng.randrange(len(word))
    if rng.random() < 0.2:
        return word[:place] + rng.choice(SUFFIXES if rng.random() < 0.4 else HARMLESS) + word[place:]
    return word[:place] + rng.choice(WRITINGS)(word[place]) + word[place + 1 :]


def _escaped(text: str) -> bytes:
    return b"".join(b"%%%02x" % each for each in text.encode())


WRITINGS: tuple[Callable[[int], bytes], ...] = (
    *(3 * (lambda char: b"%%%02x" % char, lambda char: b"%%%02X" % char, lambda char: bytes([char]).swapcase())),
    lambda char: b"%%25%02x" % char,
    lambda char: b"%%u%04x" % char,
    lambda char: _escaped(chr(char + FULL_WIDTH)),
    lambda char: chr(char + FULL_WIDTH).encode(),
    lambda char: b"%%%02x%%%02x" % (0xC0 | char >> 6, 0x80 | char & 0x3F),
    lambda char: b"%%e0%%%02x%%%02x" % (0x80 | char >> 6, 0x80 | char & 0x3F),
    lambda char: _escaped(FOLDS.get(chr(char), chr(char).upper())),
)
"""A character (of a word above, so 0x21 to 0x7E): escaped once and twice, IIS's way, other case, full width, overlong, a look-alike."""

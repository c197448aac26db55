# ruff: noqa: E501 - rows of odd values read best as rows
"""The parsers of the product: what each is given, and what it may do with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from sidecar.authn.discovery import read_discovery
from sidecar.authn.jose import parse_token
from sidecar.authn.keyset import read_jwks
from sidecar.config.files import ConfigFiles
from sidecar.config.keyfile import parse_key_file
from sidecar.config.load import load
from sidecar.engine.canonical import Refused, canonical_host, canonical_path
from sidecar.model.errors import ConfigError, SourceError
from sidecar.model.outcome import Rejected
from sidecar.model.steps import to_end
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest
from tests.reference import tokens
from tests.reference.decide import decide
from tests.reference.paths import read_host, read_path
from tests.reference.request import Refusal, Request

from .core import Core

CORPUS = Path(__file__).parent.parent / "corpus"
MAX_TOKEN = 8192
YAML = tuple(word.encode() for word in ("\n", "  ", "- ", ": ", "{", "}", "[", "]", ",", "'", '"', "&a ", "*a", "!!str ", "|", ">", "#", "---\n", "? ", "<<: ", "null", "no", "0x1", "1e999", "~", "true", "../", "{file: /etc/passwd}", "\t"))  # fmt: skip
JSON = tuple(word.encode() for word in ("{", "}", "[", "]", ",", ":", '"', "null", "true", "1e999", "NaN", "-0", "\\ud800", "\\u0000", '"kid":', '"kty":"oct"', '"d":"AA"', '"n":"AQAB"', '"alg":"none"', "[" * 40))  # fmt: skip
HTTP = tuple(word.encode() for word in ("authorization", "Bearer ", "cookie", "session=", ":", "/admin/x", "/posts", "/../", "%2e", ";", "x-user-id", "POST", "OPTIONS", "\x0a", "\x12", "\x1a", "*\x00"))  # fmt: skip


class Wrong(AssertionError):
    """A parser did not crash, and did what it must not."""


@dataclass(frozen=True)
class Target:
    """``run`` raises for whatever is a finding; ``folder`` of the corpus has the seeds."""

    name: str
    folder: str
    run: Callable[[bytes], None]
    words: Sequence[bytes]

    def seeds(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((CORPUS / self.folder).iterdir())]


def paths(data: bytes) -> None:
    """Read as a path, with and without folding: exactly what the reference reads, or refused as there."""
    text = data.decode("utf-8", "replace")
    for folding, case in ((False, "sensitive"), (True, "insensitive")):
        said, expected = canonical_path(text, folding=folding), read_path(text, case)
        if isinstance(said, Refused) or expected is None:
            if not (isinstance(said, Refused) and expected is None):
                raise Wrong(f"{text!r}: {said}, not {expected}")
        elif (folded(said.segments, folding=folding), said.trailing_slash, said.features) != (
            expected.segments,
            expected.trailing,
            expected.features,
        ):
            raise Wrong(f"{text!r}: {said}, not {expected}")


def folded(segments: tuple[str, ...], *, folding: bool) -> tuple[str, ...]:
    """Fold as matching does; an escaped slash stays as it is."""
    return tuple(segment.replace("%2F", "/").casefold().replace("/", "%2F") for segment in segments) if folding else segments


def hosts(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    if canonical_host(text) != read_host(text):
        raise Wrong(f"{text!r}: {canonical_host(text)}, not {read_host(text)}")


def token(data: bytes) -> None:
    """Parse as a token: what the product accepts, the reference's strict reading accepts as well, with the same content."""
    text = data.decode("utf-8", "surrogateescape")
    found = parse_token(text, MAX_TOKEN)
    try:
        header, claims = tokens.parse(text) if len(text) <= MAX_TOKEN else (None, None)
    except Refusal:
        header = claims = None
    if not isinstance(found, Rejected) and (claims is None or dict(found.claims) != claims or found.alg != (header or {}).get("alg")):
        raise Wrong("a token is accepted that the reference refuses or reads otherwise")


def jwks(data: bytes) -> None:
    try:
        to_end(read_jwks(data))
    except SourceError:
        return


def discovery(data: bytes) -> None:
    try:
        read_discovery(data, "https://idp.example.com", unsafe_http=False)
    except SourceError:
        return


def key_file(data: bytes) -> None:
    entries, problems = parse_key_file("keys.yaml", data, ["p"])
    if problems and entries:
        raise Wrong("entries of a key file with problems")


def config(data: bytes) -> None:
    files = ConfigFiles(path="sidecar.yaml", base="/etc/sidecar", is_directory=False, files=(("sidecar.yaml", data),))
    try:
        load(files, (), with_files=False)
    except ConfigError as error:
        if not error.problems:
            raise Wrong("a ConfigError without a problem") from error


class Check:
    """CheckService.open under the configuration of the tests."""

    def __init__(self, world: Core, config_data: dict[str, object]) -> None:
        self._core = world
        self._config = config_data

    def run(self, data: bytes) -> None:
        """Answer: always a response of ours, and an allow only where the reference allows what the bytes say."""
        self._core.sink.decisions.clear()
        self._core.sink.facts.clear()
        response = self._core.answer(data)
        kind = response.WhichOneof("http_response")
        allows = response.status.code == 0
        if (allows and kind != "ok_response") or (not allows and kind != "denied_response"):
            raise Wrong(f"code {response.status.code} beside {kind}")
        expected = self._expected(data)
        if allows and not expected:
            raise Wrong("wrongly allowed")
        if expected and not allows:
            raise Wrong(f"denied: {self._core.sink.decisions[-1].reason.value}")

    def _expected(self, data: bytes) -> bool:
        try:
            attributes = CheckRequest.FromString(data).attributes
        except DecodeError:
            return False
        if not attributes.request.HasField("http"):
            return False
        http = attributes.request.http
        lines = tuple(http.headers.items())
        if raw := http.HasField("header_map"):
            lines = tuple((line.key, shown(line.raw_value, as_is=line.key == ":path") or line.value) for line in http.header_map.headers)
        address = attributes.source.address.socket_address.address
        request = Request(http.method, http.host, http.path, lines, dict(attributes.context_extensions), address, raw)
        return decide(self._config, self._core.files, request, self._core.clock.wall).allows


def shown(value: bytes, *, as_is: bool) -> str:
    """Return a raw value as text; bytes that are not UTF-8 read as ``!``, but for those of the path, which count."""
    if as_is:
        return value.decode("utf-8", "surrogateescape")
    return "".join("!" if 0xDC80 <= ord(char) <= 0xDCFF else char for char in value.decode("utf-8", "surrogateescape"))

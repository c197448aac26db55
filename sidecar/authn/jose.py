"""A compact JWS read strictly, before anything in it is believed (security rules 1, 2 and 4).

Common JWT libraries take base64 with stray bits, duplicate members, NaN and byte order marks; two readers of
such a token can see two different tokens. What has no single reading is refused here. Every input gives a value:
nothing here raises for what a stranger sent.

``jku``, ``x5u``, ``jwk`` and ``x5c`` are left unread: honest issuers send them (SAP's XSUAA sends ``jku`` with
every token), so refusing them would only break their users, and a key comes from the issuer's key set alone.
"""

import binascii
import json
import re
from functools import lru_cache
from typing import NamedTuple

from sidecar.model.outcome import Rejected
from sidecar.model.principal import JsonValue
from sidecar.model.reason import Reason

MAX_DEPTH = 32
MAX_KID = 256
MAX_KEPT_HEADER = 512
JWS_DOTS = 2
JWE_DOTS = 4

# Into the standard alphabet; the standard alphabet's own signs become one that no alphabet has.
_ALPHABET = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING = (b"", b"", b"==", b"=")
# A last character that carries 2 or 4 unused bits must have them zero: else several texts mean the same bytes.
_CANONICAL_ENDS: tuple[frozenset[int], ...] = (frozenset(), frozenset(), frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))
_STRING = re.compile(rb'"(?:[^"\\]|\\.?)*+(?:"|\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class UnverifiedJws(NamedTuple):
    """A well-formed compact JWS. ``signing_input`` is what the signature covers; the header's fields are checked."""

    header: dict[str, JsonValue]
    payload: bytes
    signing_input: bytes
    signature: bytes

    def __repr__(self) -> str:
        return "UnverifiedJws(hidden)"


class UnverifiedToken(NamedTuple):
    """A well-formed token of which nothing is verified; ``claims["iss"]`` is a string."""

    header: dict[str, JsonValue]
    claims: dict[str, JsonValue]
    signing_input: bytes
    signature: bytes
    alg: str
    kid: str | None
    typ: str | None

    def __repr__(self) -> str:
        return "UnverifiedToken(hidden)"


def jwt_shaped(raw: str) -> bool:
    """Tell whether a credential is laid out as a JWT: three parts, or the five of an encrypted one."""
    return raw.count(".") in {JWS_DOTS, JWE_DOTS}


def parse_token(raw: str, max_size: int) -> UnverifiedToken | Rejected:
    """Read ``raw`` as a signed JWT in compact form, of at most ``max_size`` characters."""
    jws = parse_jws(raw, max_size)
    if isinstance(jws, Rejected):
        return jws
    header, payload, signing_input, signature = jws
    try:
        claims = strict_json_object(payload)
    except ValueError as error:
        return _bad(f"payload: {error}")
    if type(claims.get("iss")) is not str:
        # Whoever reads on looks the issuer up by it.
        return _bad("payload: iss is missing or not a string")
    # The types of the three were checked by _fault_of_header.
    return UnverifiedToken(header, claims, signing_input, signature, header["alg"], header.get("kid"), header.get("typ"))  # type: ignore[arg-type]


def parse_jws(raw: str, max_size: int) -> UnverifiedJws | Rejected:
    """Read ``raw`` as a compact JWS (RFC 7515 §7.1) of any payload but an empty one."""
    if len(raw) > max_size:
        return _bad(f"longer than {max_size} bytes")
    dots = raw.count(".")
    if dots != JWS_DOTS:
        return _bad("five parts: encrypted tokens are not accepted" if dots == JWE_DOTS else "not three parts")
    try:
        text = raw.encode("ascii")
        head, body, tail = text.split(b".")
        header, payload, signature = decode_base64url(head), decode_base64url(body), decode_base64url(tail)
    except UnicodeEncodeError:
        return _bad("not ASCII")
    except ValueError as error:
        return _bad(str(error))
    if not (header and payload and signature):
        return _bad("an empty part")
    fields = _read_header(header) if len(header) <= MAX_KEPT_HEADER else _read_header.__wrapped__(header)
    if isinstance(fields, str):
        return _bad(f"header: {fields}")
    return UnverifiedJws(fields, payload, text[: len(head) + 1 + len(body)], signature)


def _bad(detail: str) -> Rejected:
    return Rejected(Reason.INVALID_TOKEN, detail)


@lru_cache(maxsize=256)
def _read_header(header: bytes) -> dict[str, JsonValue] | str:
    """The header's fields, or what is wrong with it. Tokens of one key have one header: kept, and never changed."""
    try:
        fields = strict_json_object(header)
    except ValueError as error:
        return str(error)
    return _fault_of_header(fields) or fields


def _fault_of_header(fields: dict[str, JsonValue]) -> str:
    alg = fields.get("alg")
    if type(alg) is not str:
        return "alg is missing or not a string"
    if "crit" in fields:
        return "crit is not supported"
    if "b64" in fields:
        return "b64 is not supported"
    if "zip" in fields:
        return "zip is not supported"
    if "kid" in fields:
        kid = fields["kid"]
        if type(kid) is not str or not kid.isprintable() or len(kid) > MAX_KID:
            return f"kid is not a string of at most {MAX_KID} printable characters"
    if "typ" in fields and type(fields["typ"]) is not str:
        return "typ is not a string"
    return ""


def decode_base64url(text: bytes) -> bytes:
    """Decode unpadded base64url of which there is exactly one spelling (RFC 7515 §2, RFC 4648 §3.5).

    Raises:
        ValueError: another character, padding, an impossible length, or unused bits that are not zero.

    """
    rest = len(text) & 3
    if rest and text[-1] not in _CANONICAL_ENDS[rest]:
        raise ValueError("not canonical base64url")
    try:
        return binascii.a2b_base64(text.translate(_ALPHABET) + _PADDING[rest], strict_mode=True)
    except binascii.Error:
        raise ValueError("not base64url") from None


def strict_json_object(data: bytes) -> dict[str, JsonValue]:
    """Parse UTF-8 JSON that is an object and has one meaning only.

    Raises:
        ValueError: not UTF-8, a byte order mark, not JSON, a member twice, NaN or an infinite number, a surrogate
            without its pair, an integer of thousands of digits, nested deeper than 32, or not an object. The text
            holds nothing of ``data``.

    """
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    try:
        value = _decode(text)
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    except _Ambiguous:
        raise
    except ValueError:
        # CPython's guard against the quadratic cost of reading long integers (CVE-2020-10735).
        raise ValueError("an integer of thousands of digits") from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    if "\\ud" in text or "\\uD" in text:
        _refuse_lone_surrogates(value)
    return value


def _decode(text: str) -> JsonValue:
    value: JsonValue
    if text[:1] != "{":
        return _DECODER.decode(text)  # type: ignore[no-any-return]
    # What nearly all documents are: without the searches for white space around them.
    value, end = _DECODER.raw_decode(text)
    if text[end:].strip(" \t\n\r"):
        raise json.JSONDecodeError("Extra data", "", 0)
    return value


def _depth(data: bytes) -> int:
    """The deepest nesting of brackets outside strings; early exit above the limit, linear in any case."""
    deepest = depth = 0
    for bracket in _STRING.sub(b"", data).translate(None, _NOT_BRACKETS):
        if bracket in b"[{":
            depth += 1
            if depth > deepest:
                deepest = depth
                if deepest > MAX_DEPTH:
                    break
        else:
            depth -= 1
    return deepest


class _Ambiguous(ValueError):
    """JSON by its grammar, and yet read in several ways."""


def _once(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Ambiguous("a member stands twice")
    return members


def _refuse_constant(_: str) -> JsonValue:
    raise _Ambiguous("NaN or Infinity")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:  # only an infinite one differs from itself here: 1e999
        raise _Ambiguous("a number beyond any float")
    return number


def _refuse_lone_surrogates(value: JsonValue) -> None:
    # They have no UTF-8: whatever writes such a text later on would fail (RFC 7493 §2.1).
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a surrogate without its pair") from None


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse_constant, parse_float=_finite)

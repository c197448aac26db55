"""Published vectors, and what becomes of a JWS with the keys that a vector brings."""

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sidecar.authn.algorithms import canonical_algorithm
from sidecar.authn.jose import parse_jws
from sidecar.authn.keyset import KeySet, symmetric_keyset
from sidecar.model.errors import SourceError
from sidecar.model.outcome import Rejected
from sidecar.model.secret import Secret

from .tables import parse_jwks

VECTORS = Path(__file__).parent.parent / "conformance" / "vectors"
ACCEPTED = "accepted"


def load(name: str) -> Any:
    """A vector file as JSON."""
    return json.loads((VECTORS / name).read_bytes())


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def keyset(keys: Iterable[Mapping[str, Any]]) -> KeySet:
    """The keys as an issuer would have them: one symmetric key as its shared secret, all else published."""
    keys = list(keys)
    if len(keys) == 1 and keys[0]["kty"] == "oct":
        return symmetric_keyset(Secret(unb64(keys[0]["k"])), [keys[0].get("alg", "HS256")])
    return parse_jwks(json.dumps({"keys": keys}).encode())


def outcome(raw: str, keys: Iterable[Mapping[str, Any]]) -> str:
    """``accepted``, or the stage and the reason of the refusal."""
    try:
        found = keyset(keys)
    except SourceError as error:
        return f"keys: {error}"
    jws = parse_jws(raw, 1_000_000)
    if isinstance(jws, Rejected):
        return f"parse: {jws.detail}"
    alg = canonical_algorithm(str(jws.header["alg"]))
    kid = jws.header.get("kid")
    key = found.find(kid if isinstance(kid, str) else None, alg)
    if key is None:
        return "no key fits kid and alg"
    return ACCEPTED if key.verify(alg, jws.signing_input, jws.signature) else "the signature does not hold"

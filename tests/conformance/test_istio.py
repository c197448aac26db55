"""Istio's published tokens and path vectors (Apache-2.0). Security rules 3, 6 and 18."""

from collections import Counter
from typing import Any

import pytest

from sidecar.authn.claims import ClaimMapping
from sidecar.authn.jose import parse_token
from sidecar.engine.canonical import Path, Refused, canonical_path
from sidecar.model.instant import Instant
from sidecar.model.outcome import Rejected
from sidecar.model.settings import RoleClaim, ScopeClaim
from tests.support.issuers import make_claim_settings, make_issuer, verify
from tests.support.tables import parse_jwks
from tests.support.vectors import ACCEPTED, VECTORS, load, outcome

KEYS = load("istio/jwks.json")["keys"]
TOKENS = {name: (VECTORS / "istio" / f"{name}.jwt").read_text().strip() for name in ("demo", "groups-scope")}
PATHS = load("istio/path_normalization.json")["tests"]
ISTIO = "testing@secure.istio.io"


class TestTokens:
    @pytest.mark.parametrize("name", TOKENS)
    def test_the_signature_holds(self, name: str) -> None:
        assert outcome(TOKENS[name], KEYS) == ACCEPTED

    @pytest.mark.parametrize("name", TOKENS)
    def test_no_one_is_meant_to_take_them(self, name: str) -> None:
        """They name no audience, and an issuer here always has one (RFC 8725 §3.9)."""
        issuer = make_issuer(issuer=ISTIO, algorithms=("RS256",))
        issuer.table.replace(parse_jwks((VECTORS / "istio" / "jwks.json").read_bytes()), 1000.0)
        verdict = verify(TOKENS[name], issuer, Instant(1_600_000_000.0, 1000.0))
        assert isinstance(verdict, Rejected)
        assert verdict.detail == "aud is missing"

    def test_lists_of_groups_and_scopes(self) -> None:
        token = parse_token(TOKENS["groups-scope"], 8192)
        assert not isinstance(token, Rejected)
        settings = make_claim_settings(
            roles=RoleClaim(paths=(("groups",),), rename={}, allow=None), scopes=ScopeClaim(paths=(("scope",),), ceiling=False)
        )
        identity = ClaimMapping(settings, authenticator="istio", issuer=ISTIO).identity(token.claims, ISTIO, ())
        assert identity.roles == ("group1", "group2")
        assert identity.scopes == ("scope1", "scope2")


def kind(vector: dict[str, Any]) -> str:
    """What becomes of the client's path: refused, in need of a route that allows a feature, or read."""
    path = canonical_path(vector["input"])
    if isinstance(path, Refused):
        return "refused"
    return f"needs {'+'.join(sorted(path.features))}" if path.features else "read"


class TestPaths:
    """The upstream must never read a path in another way than it was decided on, whatever Envoy does to it."""

    @pytest.mark.parametrize("vector", PATHS, ids=lambda vector: f"{vector['mode']}-{vector['input']}")
    def test_what_is_read_means_the_same_upstream(self, vector: dict[str, Any]) -> None:
        if kind(vector) != "read":
            return
        upstream = canonical_path(vector["expected"])
        assert isinstance(upstream, Path)
        assert upstream == canonical_path(vector["input"])

    def test_what_istio_refuses_is_refused(self) -> None:
        refused = [vector for vector in PATHS if vector["expected"] == "400"]
        assert len(refused) == 1
        assert {kind(vector) for vector in refused} == {"refused"}

    def test_every_vector_is_accounted_for(self) -> None:
        assert Counter(map(kind, PATHS)) == {"refused": 234, "read": 107, "needs semicolon": 3, "needs dots": 1}
        assert len(PATHS) == 345

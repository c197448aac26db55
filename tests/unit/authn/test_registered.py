"""Security rules 3, 5, 5a and 6: what every token is held to, whoever signed it."""

from typing import Any

import pytest

from sidecar.authn.jwt import VerifiedToken
from sidecar.model.instant import Instant
from sidecar.model.outcome import Rejected
from sidecar.model.reason import Reason
from sidecar.model.settings import SharedSecretKeys
from tests.support.issuers import NOW, make_issuer, verify
from tests.support.tokens import AUDIENCE, ISSUER, WALL, claims, mint, shared_key

KEY = shared_key("ES256")
NONE_OF_THESE = [None, 1, True, [], {}, "", "x"]
NO_TIME = [None, True, False, "1800000600", [], {}, 0, -1, -0.5, 2**53, 2**60, 10**400, 1e300]


def outcome(body: dict[str, Any], settings: dict[str, Any] | None = None, now: Instant = NOW, **head: Any) -> VerifiedToken | Rejected:
    verdict = verify(mint(KEY, body, **head), make_issuer(KEY, **(settings or {})), now)
    assert isinstance(verdict, VerifiedToken | Rejected)
    return verdict


def accepted(body: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, now: Instant = NOW, **head: Any) -> bool:
    return isinstance(outcome(claims() if body is None else body, settings, now, **head), VerifiedToken)


def why(body: dict[str, Any], settings: dict[str, Any] | None = None, **head: Any) -> str:
    verdict = outcome(body, settings, **head)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.INVALID_TOKEN
    return verdict.detail


def with_(name: str, value: object) -> dict[str, Any]:
    """Claims with this very value, None too."""
    return {**claims(), name: value}


class TestAlgorithm:
    """Security rule 3."""

    @pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "HS256", "ES512", "RS1", "ES256K"])
    def test_only_what_is_listed(self, alg: str) -> None:
        assert why(claims(), {"algorithms": ("RS256", "ES256")}, alg=alg) == "alg is not in the issuer's list"

    def test_a_listed_none_is_still_none(self) -> None:
        assert why(claims(), {"algorithms": ("none", "ES256")}, alg="none") == "alg is not in the issuer's list"

    def test_hs_is_never_for_published_keys(self) -> None:
        """CVE-2022-29217."""
        issuer = make_issuer(KEY, algorithms=("HS256", "ES256"))
        assert issuer.algorithms == {"ES256"}

    def test_a_shared_secret_is_for_hs_only(self) -> None:
        issuer = make_issuer(algorithms=("HS256", "RS256"), keys=SharedSecretKeys(secret=None))  # type: ignore[arg-type]
        assert issuer.algorithms == {"HS256"}

    def test_an_empty_list_refuses_all(self) -> None:
        """Security rule 18."""
        assert why(claims(), {"algorithms": ()}) == "alg is not in the issuer's list"


class TestType:
    """Security rule 5."""

    @pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt", "JWT", "jwt", "application/jwt", None])
    def test_accepted(self, typ: str | None) -> None:
        assert accepted(typ=typ)

    @pytest.mark.parametrize(
        "typ", ["dpop+jwt", "logout+jwt", "JOSE", "", "none", "application/", "application/application/jwt", "text/jwt", " jwt"]
    )
    def test_refused(self, typ: str) -> None:
        assert why(claims(), typ=typ) == "typ is not in the issuer's list"

    def test_absent_only_where_listed(self) -> None:
        assert why(claims(), {"token_types": frozenset({"jwt"})}, typ=None) == "typ is missing"

    def test_an_empty_list_refuses_all(self) -> None:
        """Security rule 18."""
        assert not accepted(settings={"token_types": frozenset()})
        assert not accepted(settings={"token_types": frozenset()}, typ=None)

    @pytest.mark.parametrize(
        "body", [{"at_hash": "x"}, {"c_hash": "x"}, {"events": {}}, {"typ": "ID"}, {"typ": "Refresh"}, {"typ": "Logout"}]
    )
    def test_other_kinds_of_token(self, body: dict[str, Any]) -> None:
        """RFC 8725 §3.11: an ID token is no access token."""
        assert why(claims(**body)) == "an ID, logout or refresh token, not an access token"
        assert accepted(claims(**body), {"token_types": frozenset({"at+jwt"})})

    def test_a_bearer_typ_claim_is_fine(self) -> None:
        assert accepted(claims(typ="Bearer"))


class TestBound:
    """Security rule 5a."""

    @pytest.mark.parametrize("cnf", [{"jkt": "x"}, {"x5t#S256": "x"}, {}, None, "x", []])
    def test_a_bound_token_needs_its_proof(self, cnf: object) -> None:
        assert why(with_("cnf", cnf)).startswith("bound to a key")
        assert not accepted(with_("cnf", cnf), {"token_types": frozenset({"at+jwt"})})


class TestIssuer:
    """Security rule 6."""

    @pytest.mark.parametrize("iss", [ISSUER + "/", ISSUER.upper(), ISSUER + " ", "https://idp.example.com.evil", "x"])
    def test_exact(self, iss: str) -> None:
        assert why(claims(iss=iss)) == "iss is not this issuer"


class TestAudience:
    """Security rule 6."""

    @pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
    def test_accepted(self, aud: object) -> None:
        verdict = outcome(claims(aud=aud))
        assert isinstance(verdict, VerifiedToken)
        assert verdict.identity.audiences == (tuple(aud) if isinstance(aud, list) else (aud,))

    @pytest.mark.parametrize("aud", ["other", ["other"], AUDIENCE + "/", AUDIENCE[:-1], AUDIENCE.upper(), "x " + AUDIENCE, ""])
    def test_another(self, aud: object) -> None:
        """CVE-2024-53861: a part of the text is not enough."""
        assert why(claims(aud=aud)) == "aud does not name an audience of this issuer's list"

    @pytest.mark.parametrize("aud", [None, 1, True, {}, [], [1], [AUDIENCE, 1], [AUDIENCE, None], [[AUDIENCE]], {AUDIENCE: 1}])
    def test_of_another_type(self, aud: object) -> None:
        assert why(with_("aud", aud)) == "aud is neither a string nor a list of strings"

    def test_absent(self) -> None:
        assert why(claims(aud=None)) == "aud is missing"

    def test_an_empty_list_refuses_all(self) -> None:
        """Security rule 18."""
        assert why(claims(), {"audiences": frozenset()}) == "the issuer is configured with neither audience nor client"


class TestClient:
    """Security rule 6: ``unsafe_no_audience`` holds tokens to their client instead."""

    SETTINGS = {"audiences": frozenset(), "unsafe_no_audience": True, "client_ids": frozenset({"web", "cli"})}  # noqa: RUF012

    @pytest.mark.parametrize(
        "body", [{"client_id": "web"}, {"azp": "cli"}, {"client_id": "web", "azp": "cli"}, {"azp": "web", "aud": None}]
    )
    def test_accepted(self, body: dict[str, Any]) -> None:
        assert accepted(claims(**body), self.SETTINGS)

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"client_id": "x"},
            {"azp": "x"},
            {"client_id": "web", "azp": "x"},
            {"client_id": "x", "azp": "web"},
            {"azp": ["web"]},
            {"azp": 1},
        ],
    )
    def test_refused(self, body: dict[str, Any]) -> None:
        assert why(claims(**body), self.SETTINGS) == "client_id or azp is missing or not in the issuer's list"

    @pytest.mark.parametrize("aud", [1, [], [1], {}, None])
    def test_an_audience_still_has_its_type(self, aud: object) -> None:
        assert why(with_("aud", aud) | {"azp": "web"}, self.SETTINGS) == "aud is neither a string nor a list of strings"

    def test_both_lists_both_hold(self) -> None:
        both = {"client_ids": frozenset({"web"})}
        assert accepted(claims(azp="web"), both)
        assert not accepted(claims(azp="x"), both)
        assert not accepted(claims(azp="web", aud="x"), both)


class TestTimes:
    """Security rule 6."""

    @pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
    @pytest.mark.parametrize("value", NO_TIME)
    def test_not_a_time(self, name: str, value: object) -> None:
        assert why(with_(name, value)) == (f"{name} is not a time" if name != "exp" else "exp is missing or not a time")

    def test_exp_is_required(self) -> None:
        assert why(claims(exp=None)) == "exp is missing or not a time"

    def test_fractions_are_times(self) -> None:
        assert accepted(claims(exp=WALL + 0.5, iat=WALL - 0.5, nbf=WALL - 0.25))

    @pytest.mark.parametrize(("late", "good"), [(29.9, True), (30.0, False), (31, False)])
    def test_expiry_with_skew(self, late: float, good: bool) -> None:
        verdict = outcome(claims(exp=WALL - late, iat=WALL - 100))
        assert isinstance(verdict, VerifiedToken) is good
        assert good or verdict == Rejected(Reason.EXPIRED_TOKEN, "exp has passed")

    @pytest.mark.parametrize(("name", "detail"), [("nbf", "nbf lies in the future"), ("iat", "iat lies in the future")])
    def test_not_yet_with_skew(self, name: str, detail: str) -> None:
        assert accepted(claims(**{name: WALL + 30}))
        assert why(claims(**{name: WALL + 30.1})) == detail

    def test_without_skew(self) -> None:
        exact = {"clock_skew": 0.0}
        assert accepted(claims(exp=WALL + 0.001), exact)
        assert not accepted(claims(exp=WALL), exact)
        assert accepted(claims(nbf=WALL), exact)
        assert not accepted(claims(nbf=WALL + 0.001), exact)

    def test_lifetime(self) -> None:
        limit = {"max_lifetime": 600.0}
        assert accepted(claims(), limit)
        assert why(claims(exp=int(WALL) + 601), limit) == "lives longer than max_lifetime"
        assert why(claims(iat=None), limit) == "iat is missing, and max_lifetime needs it"
        assert accepted(claims(iat=None, exp=int(WALL) + 10**6))


class TestId:
    """Security rule 6."""

    @pytest.mark.parametrize("jti", [None, 1, True, [], {}])
    def test_a_jti_is_a_text(self, jti: object) -> None:
        assert why(with_("jti", jti)) == "jti is not a string"

    def test_it_names_the_credential(self) -> None:
        verdict = outcome(claims(jti="t-1"))
        assert isinstance(verdict, VerifiedToken)
        assert verdict.identity.credential_id == "t-1"


class TestSubject:
    """Security rule 6."""

    @pytest.mark.parametrize("sub", [*NONE_OF_THESE[:6], " a", "a\n"])
    def test_it_names_someone(self, sub: object) -> None:
        assert why(with_("sub", sub)).startswith("the subject is not")

    def test_it_is_there(self) -> None:
        assert why(claims(sub=None)).startswith("the subject is not")


def test_the_client_word_never_tells_which_check_failed() -> None:
    """Security rule 8."""
    verdicts = [outcome(claims(exp=1.0)), outcome(claims(aud="x")), outcome(claims(), alg="none"), outcome(claims(sub=None))]
    assert {verdict.reason.client for verdict in verdicts if isinstance(verdict, Rejected)} == {"invalid_token"}
    assert len(verdicts) == 4

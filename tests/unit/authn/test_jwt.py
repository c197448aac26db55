"""Security rules 3, 8 and 9: the key, the signature, and when another key is asked for."""

import json
from collections.abc import Callable

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.authn.issuer import Issuer
from sidecar.authn.jose import parse_token
from sidecar.authn.jwt import VerifiedToken, lasting, verify_token
from sidecar.authn.keyset import symmetric_keyset
from sidecar.authn.keytable import ALWAYS
from sidecar.model.ask import Ask, RefreshKeys, RefreshResult, Verify
from sidecar.model.instant import Instant
from sidecar.model.outcome import Rejected, Undetermined
from sidecar.model.reason import Reason
from sidecar.model.secret import Secret
from sidecar.model.settings import InlineKeys, SecretRef, SharedSecretKeys
from tests.support.issuers import MONO, NOW, WHERE, make_issuer, verify
from tests.support.tables import parse_jwks
from tests.support.tokens import SECRET, WALL, SigningKey, b64, claims, compact, header, jwks, mint, shared_key

ES, ES_OTHER = shared_key("ES256"), shared_key("ES256", "k1", 2)
NEW = shared_key("ES256", "k2", 3)


def bringing(issuer: Issuer, *keys: SigningKey, at: float = MONO) -> Callable[[RefreshKeys], RefreshResult]:
    """A refresh that fetches these keys."""

    def refresh(_: RefreshKeys) -> RefreshResult:
        issuer.table.replace(parse_jwks(jwks(*keys)), at)
        return RefreshResult.FRESH

    return refresh


def refreshes(asks: list[Ask]) -> list[str]:
    return [ask.why for ask in asks if isinstance(ask, RefreshKeys)]


class TestAccepted:
    @pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"])
    def test_each_algorithm(self, alg: str) -> None:
        key = shared_key(alg)
        asks: list[Ask] = []
        verdict = verify(mint(key), make_issuer(key, algorithms=(alg,)), asks=asks)
        assert isinstance(verdict, VerifiedToken)
        assert verdict.identity.subject == "user-1"
        assert [type(ask) for ask in asks] == [Verify]

    def test_both_names_of_ed25519(self) -> None:
        """Security rule 3."""
        key = shared_key("EdDSA")
        for listed in ("EdDSA", "Ed25519"):
            for named in ("EdDSA", "Ed25519"):
                assert isinstance(verify(mint(key, alg=named), make_issuer(key, algorithms=(listed,))), VerifiedToken)

    def test_a_token_of_another_library(self) -> None:
        raw = pyjwt.encode(claims(), ES.private, "ES256", headers={"kid": "k1"})
        assert isinstance(verify(raw, make_issuer(ES)), VerifiedToken)

    def test_without_kid_if_one_key_fits(self) -> None:
        """Security rule 4."""
        assert isinstance(verify(mint(ES, kid=None), make_issuer(ES, shared_key("RS256", "r"))), VerifiedToken)
        assert verify(mint(ES, kid=None), make_issuer(ES, NEW)) == Rejected(
            Reason.INVALID_TOKEN, "no single key of the issuer fits kid and alg"
        )

    def test_a_shared_secret(self) -> None:
        key = shared_key("HS256")
        secret = SharedSecretKeys(secret=SecretRef(kind="env", value="S", where=WHERE))
        issuer = make_issuer(algorithms=("HS256",), keys=secret)
        issuer.table.replace(symmetric_keyset(Secret(SECRET), ("HS256",)), ALWAYS)
        assert isinstance(verify(mint(key), issuer), VerifiedToken)
        asks: list[Ask] = []
        tampered = compact(json.dumps(header(key)).encode(), json.dumps(claims()).encode(), SigningKey("HS256", "k1", b"x" * 32))
        assert isinstance(verify(tampered, issuer, asks=asks), Rejected)
        assert refreshes(asks) == []

    def test_the_thumbprint_is_the_key_s(self) -> None:
        issuer = make_issuer(ES, NEW)
        verdict = verify(mint(NEW), issuer)
        assert isinstance(verdict, VerifiedToken)
        keys = issuer.usable_keys(NOW)
        assert keys is not None
        assert verdict.thumbprint == keys.by_kid["k2"].thumbprint


class TestForged:
    """Security rule 3."""

    def test_another_key(self) -> None:
        verdict = verify(mint(ES_OTHER), make_issuer(ES))
        assert verdict == Rejected(Reason.INVALID_TOKEN, "the signature does not hold")

    @pytest.mark.parametrize("part", [0, 1, 2])
    def test_a_changed_part(self, part: int) -> None:
        good, other = mint(ES).split("."), mint(ES, claims(sub="admin"), typ="JWT").split(".")
        changed = [other[index] if index == part else good[index] for index in range(3)]
        assert isinstance(verify(".".join(changed), make_issuer(ES)), Rejected)

    def test_a_public_key_as_secret(self) -> None:
        """CVE-2022-29217, CVE-2015-9235: HS256 over what everybody knows."""
        rsa = shared_key("RS256")
        public = rsa.private.public_key()
        published = [
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            json.dumps(rsa.jwk()).encode(),
            rsa.jwk()["n"].encode(),
        ]
        for secret in published:
            for algorithms in (("RS256",), ("RS256", "HS256")):
                raw = mint(SigningKey("HS256", "k1", secret))
                assert isinstance(verify(raw, make_issuer(rsa, algorithms=algorithms)), Rejected)

    @pytest.mark.parametrize("alg", ["none", "None", "NONE"])
    @pytest.mark.parametrize("signature", ["", "AA", b64(b"\0" * 64)])
    def test_no_signature(self, alg: str, signature: str) -> None:
        raw = mint(ES, alg=alg).rpartition(".")[0] + "." + signature
        assert isinstance(verify(raw, make_issuer(ES, algorithms=("ES256", "none"))), Rejected)

    @pytest.mark.parametrize("signature", [b"\0" * 64, b"\xff" * 64, b"\0" * 31 + b"\1" + b"\0" * 31 + b"\1"])
    def test_psychic_signatures(self, signature: bytes) -> None:
        """CVE-2022-21449."""
        raw = mint(ES).rpartition(".")[0] + "." + b64(signature)
        assert isinstance(verify(raw, make_issuer(ES)), Rejected)

    @pytest.mark.parametrize("hint", ["jwk", "jku", "x5c", "x5u"])
    def test_a_key_that_the_token_brings(self, hint: str) -> None:
        """Security rule 4: never followed, never used."""
        value: object = {"jwk": ES_OTHER.jwk(), "x5c": ["MIIB"]}.get(hint, "https://attacker.example/keys")
        for kid in ("k1", None, "attacker"):
            assert not isinstance(verify(mint(ES_OTHER, kid=kid, **{hint: value}), make_issuer(ES)), VerifiedToken)

    def test_an_rs256_key_does_not_verify_ps256(self) -> None:
        key = shared_key("RS256")
        pss = SigningKey("PS256", "k1", key.private)
        assert isinstance(verify(mint(pss), make_issuer(key)), Rejected)

    def test_an_expired_forgery_is_told_apart_from_nothing(self) -> None:
        """Security rule 8: no key is touched for it, and the client hears the same word."""
        asks: list[Ask] = []
        for key in (ES, ES_OTHER):
            verdict = verify(mint(key, claims(exp=WALL - 60, iat=WALL - 100)), make_issuer(ES), asks=asks)
            assert isinstance(verdict, Rejected)
            assert (verdict.reason, verdict.reason.client) == (Reason.EXPIRED_TOKEN, "invalid_token")
        assert asks == []

    @given(st.data())
    @settings(max_examples=300)
    def test_no_mutation_is_accepted(self, data: st.DataObject) -> None:
        raw = mint(ES)
        kind = data.draw(st.sampled_from(["replace", "delete", "insert", "swap", "cut"]))
        at, other = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, len(raw) - 1))
        character = data.draw(st.sampled_from("ABCabc019-_.=+/ \n\u00e9"))
        changed = {
            "replace": raw[:at] + character + raw[at + 1 :],
            "delete": raw[:at] + raw[at + 1 :],
            "insert": raw[:at] + character + raw[at:],
            "swap": "".join(raw[{at: other, other: at}.get(index, index)] for index in range(len(raw))),
            "cut": raw[:at],
        }[kind]
        if changed != raw:
            assert isinstance(verify(changed, make_issuer(ES)), Rejected | Undetermined)

    @pytest.mark.parametrize("answer", [None, 1, "True", RefreshResult.FRESH, (True,)])
    def test_only_true_is_true(self, answer: object) -> None:
        """Fail closed: a front that answers a good signature with nonsense."""
        token = parse_token(mint(ES), 8192)
        assert not isinstance(token, Rejected)
        steps = verify_token(token, make_issuer(ES), NOW)
        next(steps)
        assert isinstance(steps.send(answer), RefreshKeys)
        with pytest.raises(StopIteration) as done:
            steps.send(RefreshResult.UNAVAILABLE)
        assert isinstance(done.value.value, Rejected)

    def test_nothing_shows_the_token(self) -> None:
        """Security rule 22."""
        raw = mint(ES)
        token = parse_token(raw, 8192)
        assert not isinstance(token, Rejected)
        ask = next(verify_token(token, make_issuer(ES), NOW))
        for part in (raw.split(".")[1], "user-1", repr(token.signature)[2:-1]):
            assert part not in repr(token) + repr(ask)


class TestUnknownKid:
    """Security rule 9."""

    def test_it_waits_for_one_refresh(self) -> None:
        issuer, asks = make_issuer(ES), []
        assert isinstance(verify(mint(NEW), issuer, refresh=bringing(issuer, ES, NEW), asks=asks), VerifiedToken)
        assert refreshes(asks) == ["unknown_kid"]

    def test_a_fresh_set_that_lacks_it_is_a_verdict(self) -> None:
        issuer, asks = make_issuer(ES), []
        verdict = verify(mint(NEW), issuer, refresh=bringing(issuer, ES), asks=asks)
        assert verdict == Rejected(Reason.INVALID_TOKEN, "kid is not in the issuer's key set")
        assert refreshes(asks) == ["unknown_kid"]

    def test_no_fresh_set_is_no_verdict(self) -> None:
        verdict = verify(mint(NEW), make_issuer(ES))
        assert isinstance(verdict, Undetermined)
        assert verdict.reason is Reason.KEYS_UNAVAILABLE

    def test_a_young_set_still_asks(self) -> None:
        """A key rotated a moment after the last fetch has to work."""
        issuer, asks = make_issuer(ES, fetched_at=MONO - 1), []
        assert isinstance(verify(mint(NEW), issuer, refresh=bringing(issuer, ES, NEW), asks=asks), VerifiedToken)
        assert refreshes(asks) == ["unknown_kid"]

    def test_what_was_found_absent_is_not_asked_for_again(self) -> None:
        issuer, asks = make_issuer(ES), []
        verify(mint(NEW), issuer, refresh=bringing(issuer, ES))
        for later in (0.0, 5.0, 30.0):
            verdict = verify(mint(NEW), issuer, Instant(WALL + later, MONO + later), asks=asks)
            assert isinstance(verdict, Rejected)
        assert refreshes(asks) == []
        verify(mint(NEW), issuer, Instant(WALL + 31, MONO + 31), asks=asks)
        assert refreshes(asks) == ["unknown_kid"]

    def test_found_absent_means_nothing_once_the_set_is_old(self) -> None:
        issuer = make_issuer(ES)
        verify(mint(NEW), issuer, refresh=bringing(issuer, ES, at=MONO - 25))
        assert isinstance(verify(mint(NEW), issuer, Instant(WALL + 5, MONO + 5)), Rejected)
        assert isinstance(verify(mint(NEW), issuer, Instant(WALL + 6, MONO + 6)), Undetermined)

    def test_found_absent_ends_while_the_set_stays_young(self) -> None:
        """Its background refreshes may miss a key by a moment, each of them."""
        issuer, asks = make_issuer(ES), []
        verify(mint(NEW), issuer, refresh=bringing(issuer, ES))
        issuer.table.replace(parse_jwks(jwks(ES)), MONO + 20)
        verify(mint(NEW), issuer, Instant(WALL + 30, MONO + 30), asks=asks)
        assert refreshes(asks) == []
        verify(mint(NEW), issuer, Instant(WALL + 31, MONO + 31), asks=asks)
        assert refreshes(asks) == ["unknown_kid"]

    def test_an_absent_kid_that_came_is_used(self) -> None:
        issuer = make_issuer(ES)
        verify(mint(NEW), issuer, refresh=bringing(issuer, ES))
        issuer.table.replace(parse_jwks(jwks(ES, NEW)), MONO)
        assert isinstance(verify(mint(NEW), issuer), VerifiedToken)

    def test_after_an_answer_without_a_fetch_others_are_not_sent_asking(self) -> None:
        """Security rule 30: a flood of kids costs the loop one question a second."""
        issuer, asks = make_issuer(ES), []
        for index in range(1000):
            raw = mint(ES, kid=f"random-{index}")
            assert isinstance(verify(raw, issuer, Instant(WALL, MONO + index / 1000), asks=asks), Undetermined)
        assert refreshes(asks) == ["unknown_kid"]
        verify(mint(ES, kid="later"), issuer, Instant(WALL, MONO + 1.0), asks=asks)
        assert refreshes(asks) == ["unknown_kid"] * 2

    def test_keys_that_nobody_fetches_are_complete(self) -> None:
        issuer, asks = make_issuer(ES, keys=InlineKeys(document="{}")), []
        assert verify(mint(NEW), issuer, asks=asks) == Rejected(Reason.INVALID_TOKEN, "kid is not in the issuer's key set")
        assert asks == []

    def test_the_memory_of_absent_kids_is_bounded(self) -> None:
        issuer = make_issuer(ES, fetched_at=MONO)
        for index in range(2000):
            issuer.note_absent(f"random-{index}", NOW)
        assert len(issuer._absent) <= 256

    def test_a_kid_with_another_algorithm(self) -> None:
        rsa = shared_key("RS256")
        issuer, asks = make_issuer(ES), []
        assert isinstance(verify(mint(rsa), issuer, refresh=bringing(issuer, ES), asks=asks), Rejected)
        assert isinstance(verify(mint(rsa), issuer, refresh=bringing(issuer, rsa), asks=asks), VerifiedToken)
        assert refreshes(asks) == ["bad_signature"] * 2


class TestNoKeys:
    """Security rule 9: a missing key set is a 503, and no token makes anyone fetch it."""

    def test_none_yet(self) -> None:
        asks: list[Ask] = []
        verdict = verify(mint(ES), make_issuer(), asks=asks)
        assert isinstance(verdict, Undetermined)
        assert verdict.reason is Reason.KEYS_UNAVAILABLE
        assert asks == []

    def test_too_old(self) -> None:
        """Security rule 10."""
        issuer = make_issuer(ES, fetched_at=MONO)
        assert isinstance(verify(mint(ES), issuer, Instant(WALL, MONO + 86400)), VerifiedToken)
        assert isinstance(verify(mint(ES), issuer, Instant(WALL, MONO + 86400.1)), Undetermined)

    def test_bad_tokens_are_bad_without_keys(self) -> None:
        assert isinstance(verify(mint(ES, claims(aud="x")), make_issuer()), Rejected)


class TestBadSignature:
    """Security rule 9."""

    def test_a_key_replaced_under_its_id(self) -> None:
        issuer, asks = make_issuer(ES), []
        assert isinstance(verify(mint(ES_OTHER), issuer, refresh=bringing(issuer, ES_OTHER), asks=asks), VerifiedToken)
        assert [type(ask) for ask in asks] == [Verify, RefreshKeys, Verify]
        assert refreshes(asks) == ["bad_signature"]

    def test_the_same_key_is_not_tried_twice(self) -> None:
        issuer, asks = make_issuer(ES), []
        verdict = verify(mint(ES_OTHER), issuer, refresh=bringing(issuer, ES, NEW), asks=asks)
        assert verdict == Rejected(Reason.INVALID_TOKEN, "the signature does not hold")
        assert [type(ask) for ask in asks] == [Verify, RefreshKeys]

    def test_once_only(self) -> None:
        issuer, asks = make_issuer(ES), []
        third = shared_key("ES256", "k1", 4)
        assert isinstance(verify(mint(third), issuer, refresh=bringing(issuer, ES_OTHER), asks=asks), Rejected)
        assert [type(ask) for ask in asks] == [Verify, RefreshKeys, Verify]

    def test_a_key_that_is_gone(self) -> None:
        issuer = make_issuer(ES)
        assert isinstance(verify(mint(ES_OTHER), issuer, refresh=bringing(issuer, NEW)), Rejected)

    def test_without_a_refresh_it_is_a_verdict_all_the_same(self) -> None:
        issuer, asks = make_issuer(ES), []
        for index in range(100):
            assert isinstance(verify(mint(ES_OTHER), issuer, Instant(WALL, MONO + index / 100), asks=asks), Rejected)
        assert refreshes(asks) == ["bad_signature"]


def test_a_verdict_that_time_can_change_is_not_lasting() -> None:
    """The cache of rejected tokens must not outlive them."""
    passing = [
        verify(mint(ES, claims(nbf=WALL + 60)), make_issuer(ES)),
        verify(mint(ES, claims(iat=WALL + 60)), make_issuer(ES)),
        verify(mint(NEW), make_issuer(ES, keys=InlineKeys(document="{}"))),
    ]
    final = [
        verify(mint(ES, claims(exp=WALL - 60, iat=WALL - 100)), make_issuer(ES)),
        verify(mint(ES_OTHER), make_issuer(ES)),
        verify(mint(ES, claims(aud="x")), make_issuer(ES)),
    ]
    assert [lasting(verdict) for verdict in passing if isinstance(verdict, Rejected)] == [False] * 3
    assert [lasting(verdict) for verdict in final if isinstance(verdict, Rejected)] == [True] * 3

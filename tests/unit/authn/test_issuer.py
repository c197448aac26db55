"""Security rules 3, 9 and 10: an issuer as the decision path sees it, its live table, and what fills it."""

import dataclasses
from typing import Any

import pytest

from sidecar.authn.issuer import compile_issuer
from sidecar.authn.key_source import read_keys
from sidecar.authn.keyset import KeySet
from sidecar.authn.keytable import ALWAYS, NEVER, KeyTable
from sidecar.model.errors import SourceError, Where
from sidecar.model.instant import Instant
from sidecar.model.settings import FileKeys, InlineKeys, IssuerSettings, RoleClaim
from tests.support.issuers import MONO, NOW, WHERE, make_claim_settings, make_issuer, make_issuer_settings, make_refresh_settings
from tests.support.tables import parse_jwks
from tests.support.tokens import jwks, shared_key

ES, RS = shared_key("ES256"), shared_key("RS256", "r")


class TestGeneration:
    def test_equal_settings_have_equal_generations(self) -> None:
        one, two = make_issuer_settings(), make_issuer_settings(audiences=frozenset(list(make_issuer_settings().audiences)))
        assert compile_issuer(one, KeyTable()).generation == compile_issuer(two, KeyTable()).generation

    def test_where_they_are_written_does_not_matter(self) -> None:
        moved = dataclasses.replace(make_issuer_settings(), where=Where("other.yaml", 99, "x"))
        assert compile_issuer(moved, KeyTable()).generation == make_issuer().generation

    @pytest.mark.parametrize(
        "changes",
        [
            {"audiences": frozenset({"other"})},
            {"algorithms": ("ES256",)},
            {"token_types": frozenset({"at+jwt"})},
            {"clock_skew": 31.0},
            {"max_lifetime": 60.0},
            {"client_ids": frozenset({"web"})},
            {"keys": InlineKeys(document="{}")},
            {"refresh": make_refresh_settings(stale_max=1.0)},
            {"claims": make_claim_settings(subject=("email",))},
            {"claims": make_claim_settings(attributes={"a": ("b",)})},
            {"claims": make_claim_settings(roles=RoleClaim(paths=(("roles",),), rename={}, allow=frozenset({"a"})))},
        ],
    )
    def test_any_other_change_changes_it(self, changes: dict[str, Any]) -> None:
        assert make_issuer(**changes).generation != make_issuer().generation


class TestTable:
    """Security rule 10."""

    def test_empty(self) -> None:
        table = KeyTable()
        assert (table.current, table.tried, table.fetched_at, table.usable(MONO, ALWAYS)) == (None, False, NEVER, None)

    def test_replaced_by_one_reference(self) -> None:
        table, keys = KeyTable(), parse_jwks(jwks(ES))
        assert table.replace(keys, MONO)
        held = table.held
        assert held is not None
        assert (held.keys, held.fetched_at) == (keys, MONO)
        assert not table.replace(parse_jwks(jwks(ES)), MONO + 1)
        assert table.current is keys
        assert table.fetched_at == MONO + 1
        assert table.replace(parse_jwks(jwks(ES, RS)), MONO + 2)
        assert table.current is not keys

    def test_a_failure_takes_nothing_away(self) -> None:
        table, keys = KeyTable(), parse_jwks(jwks(ES))
        table.replace(keys, MONO)
        table.failed("status 500")
        assert (table.current, table.last_error, table.fetched_at) == (keys, "status 500", MONO)
        table.replace(keys, MONO)
        assert table.last_error == ""

    def test_usable_up_to_stale_max(self) -> None:
        table = KeyTable()
        table.replace(parse_jwks(jwks(ES)), MONO)
        assert table.usable(MONO + 10, 10) is not None
        assert table.usable(MONO + 10.1, 10) is None

    def test_keys_that_nobody_fetches_do_not_go_stale(self) -> None:
        issuer = make_issuer(ES, keys=InlineKeys(document="{}"), refresh=make_refresh_settings(stale_max=1.0))
        assert issuer.usable_keys(Instant(NOW.wall, MONO + 1e9)) is not None


def load_keys(settings: IssuerSettings, content: bytes) -> KeySet:
    steps = read_keys(settings, content)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            keys: KeySet = done.value
            return keys


class TestLoad:
    @pytest.mark.parametrize("source", [InlineKeys(document="{}"), FileKeys(path="/keys.json", where=WHERE)])
    def test_a_document(self, source: Any) -> None:
        keys = load_keys(make_issuer_settings(keys=source), jwks(ES, RS))
        assert [key.kid for key in keys.keys] == ["k1", "r"]

    @pytest.mark.parametrize("document", [b"", b'{"keys":[]}', jwks(shared_key("ES512"))])
    def test_nothing_usable(self, document: bytes) -> None:
        with pytest.raises(SourceError):
            load_keys(make_issuer_settings(keys=InlineKeys(document="")), document)

    def test_a_document_whose_keys_all_have_other_algorithms(self) -> None:
        with pytest.raises(SourceError, match="no key of the key set fits"):
            load_keys(make_issuer_settings(keys=InlineKeys(document=""), algorithms=("RS256",)), jwks(ES))


def test_an_issuer_without_hs_never_takes_hs_from_a_document() -> None:
    """CVE-2022-29217."""
    with pytest.raises(SourceError):
        load_keys(make_issuer_settings(keys=InlineKeys(document=""), algorithms=("HS256",)), jwks(ES, {"kty": "oct", "k": "AAAA"}))

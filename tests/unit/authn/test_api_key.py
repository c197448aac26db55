"""Security rules 13 and 14: API keys are digests, found in one step, and held to their limits."""

import hashlib
import hmac
import re
from typing import Any

import pytest

from sidecar.authn import api_key
from sidecar.authn.api_key import ApiKeyTable, check_record, digest_of, digest_text, generate_key
from sidecar.authn.key_file import peppers_in_use, read_entries
from sidecar.model.errors import SourceError
from sidecar.model.key_entry import Digest, KeyEntry
from sidecar.model.outcome import Rejected
from sidecar.model.principal import FOREVER, Identity
from sidecar.model.reason import Reason
from sidecar.model.secret import Secret
from tests.support.tables import build_table, checksum_holds

PEPPER, OLDER = Secret(b"pepper-of-2026-32-bytes-or-so..."), Secret(b"pepper-of-2025-32-bytes-or-so...")
PEPPERS = {"2026": PEPPER, "2025": OLDER}
NOW = 1_800_000_000.0


def entry(key: str = "sk_1", id: str = "one", pepper: str | None = None, **changes: Any) -> KeyEntry:  # noqa: A002 - the field's name
    digest = digest_of(key, pepper, PEPPERS[pepper]) if pepper else digest_of(key, None, None)
    return KeyEntry(id=id, digest=digest, **changes)


def table(*entries: KeyEntry, peppers: dict[str, Secret] | None = None) -> ApiKeyTable:
    return build_table(entries, store="partners", peppers=PEPPERS if peppers is None else peppers, wall=NOW)


def check(one: KeyEntry, key: str = "sk_1", route: str = "r", source_ip: str = "10.0.0.1", now: float = NOW) -> Identity | Rejected:
    record = table(one).lookup(key)
    assert record is not None
    return check_record(record, route=route, source_ip=source_ip, now_wall=now)


class TestDigests:
    def test_forms(self) -> None:
        assert digest_text("sk_1", None, None) == "sha256:" + hashlib.sha256(b"sk_1").hexdigest()
        assert digest_text("sk_1", "2026", PEPPER) == "hmac-sha256:2026:" + hmac.new(PEPPER.reveal(), b"sk_1", "sha256").hexdigest()

    @pytest.mark.parametrize(("pepper_id", "pepper"), [("2026", None), (None, PEPPER), ("", PEPPER), ("2026", Secret(b""))])
    def test_a_pepper_and_its_id_go_together(self, pepper_id: str | None, pepper: Secret | None) -> None:
        with pytest.raises(ValueError, match="pepper"):
            digest_text("sk_1", pepper_id, pepper)


class TestLookup:
    def test_by_each_kind_of_digest(self) -> None:
        keys = table(entry("sk_1", "one"), entry("sk_2", "two", "2026"), entry("sk_3", "three", "2025"))
        found = [keys.lookup(key) for key in ("sk_1", "sk_2", "sk_3")]
        assert [record.identity.credential_id for record in found if record] == ["one", "two", "three"]
        assert keys.size == 3

    @pytest.mark.parametrize("key", ["", "sk_", "sk_11", "SK_1", "sk_1 ", "sk_4", "\ud800", "x" * 10_000, "ключ"])
    def test_unknown(self, key: str) -> None:
        assert table(entry("sk_1", "one"), entry("sk_2", "two", "2026")).lookup(key) is None

    def test_the_digest_itself_is_no_key(self) -> None:
        one = entry("sk_1")
        assert table(one).lookup(one.digest.value.hex()) is None
        assert table(one).lookup(str(one.digest)) is None

    def test_another_pepper_is_another_key(self) -> None:
        assert table(entry("sk_1", "one", "2026"), peppers={"2026": OLDER}).lookup("sk_1") is None

    @pytest.mark.parametrize("key", ["sk_good", "sk_revoked", "sk_expired", "sk_unknown"])
    def test_the_work_does_not_depend_on_the_key(self, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Security rule 13: unknown, wrong, revoked and expired cost the same."""
        keys = table(
            entry("sk_good", "a"), entry("sk_revoked", "b", "2026", revoked=True), entry("sk_expired", "c", "2025", expires_at=NOW - 1)
        )
        digests: list[bytes] = []
        real = hmac.digest

        def counting(*args: Any) -> bytes:
            digests.append(real(*args))
            return digests[-1]

        monkeypatch.setattr(api_key.hmac, "digest", counting)
        keys.lookup(key)
        assert len(digests) == 2

    def test_nothing_shows_key_or_pepper(self) -> None:
        """Security rules 13, 22 and 26."""
        keys = table(entry("sk_1", "one", "2026"))
        shown = repr(keys) + repr(keys.lookup("sk_1")) + repr(keys.lookup("sk_1").identity)  # type: ignore[union-attr]
        assert "sk_1" not in shown
        assert PEPPER.reveal().decode() not in shown


class TestIdentity:
    def test_everything_that_the_entry_says(self) -> None:
        got = check(
            entry(
                owner="billing",
                roles=("viewer",),
                permissions=("posts:*",),
                scopes=("a", "b"),
                metadata={"plan": "gold"},
                not_before=NOW - 1,
                expires_at=NOW + 1,
            )
        )
        assert got == Identity(
            kind="api_key",
            authenticator="partners",
            issuer="partners",
            subject="billing",
            roles=("viewer",),
            permissions=("posts:*",),
            scopes=("a", "b"),
            metadata={"plan": "gold"},
            credential_id="one",
            not_before=NOW - 1,
            expires_at=NOW + 1,
        )

    def test_the_subject_is_the_owner_else_the_id(self) -> None:
        got = check(entry())
        assert isinstance(got, Identity)
        assert (got.subject, got.credential_id, got.scopes_are_ceiling, got.email_trusted) == ("one", "one", False, False)
        assert (got.not_before, got.expires_at) == (0.0, FOREVER)

    def test_several_live_keys_of_one_owner(self) -> None:
        keys = table(entry("sk_1", "one", owner="billing"), entry("sk_2", "two", owner="billing"))
        assert [keys.lookup(key).identity.subject for key in ("sk_1", "sk_2")] == ["billing"] * 2  # type: ignore[union-attr]


class TestState:
    """Security rule 14."""

    @pytest.mark.parametrize(
        ("changes", "now", "detail"),
        [
            ({"revoked": True}, NOW, "key revoked"),
            ({"revoked": True, "expires_at": NOW - 1}, NOW, "key revoked"),
            ({"not_before": NOW + 1}, NOW, "key not valid yet"),
            ({"expires_at": NOW}, NOW, "key expired"),
            ({"expires_at": NOW - 1}, NOW, "key expired"),
        ],
    )
    def test_dead(self, changes: dict[str, Any], now: float, detail: str) -> None:
        assert check(entry(**changes), now=now) == Rejected(Reason.INVALID_API_KEY, detail)

    @pytest.mark.parametrize("changes", [{"not_before": NOW}, {"expires_at": NOW + 0.001}, {"revoked": False}])
    def test_alive(self, changes: dict[str, Any]) -> None:
        assert isinstance(check(entry(**changes)), Identity)

    def test_time_is_looked_at_each_time(self) -> None:
        """Expiry acts at once: nothing of it is kept."""
        record = table(entry(not_before=NOW, expires_at=NOW + 10)).lookup("sk_1")
        assert record is not None
        verdicts = [check_record(record, route="r", source_ip="", now_wall=NOW + at) for at in (-1, 0, 9, 10)]
        assert [isinstance(verdict, Identity) for verdict in verdicts] == [False, True, True, False]


class TestConfinement:
    """Security rule 14."""

    def test_routes(self) -> None:
        one = entry(routes=("a", "b"))
        assert isinstance(check(one, route="a"), Identity)
        assert check(one, route="c") == Rejected(Reason.CREDENTIAL_NOT_ALLOWED_HERE, "key confined to other routes")

    @pytest.mark.parametrize(
        ("cidr", "inside", "outside"),
        [
            ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["11.0.0.0", "::10.0.0.1", "::1"]),
            ("192.0.2.7/32", ["192.0.2.7"], ["192.0.2.8"]),
            ("2001:db8::/32", ["2001:db8::1", "2001:db8:ffff::"], ["2001:db9::", "10.0.0.1"]),
            ("::ffff:10.0.0.0/104", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.0"]),
            ("0.0.0.0/0", ["1.2.3.4", "::ffff:1.2.3.4"], ["2001:db8::1"]),
            ("::/0", ["2001:db8::1"], ["1.2.3.4"]),
        ],
    )
    def test_networks(self, cidr: str, inside: list[str], outside: list[str]) -> None:
        one = entry(cidrs=(cidr,))
        assert all(isinstance(check(one, source_ip=address), Identity) for address in inside)
        assert {check(one, source_ip=address) for address in outside} == {
            Rejected(Reason.CREDENTIAL_NOT_ALLOWED_HERE, "key confined to other networks")
        }

    @pytest.mark.parametrize("address", ["", "unknown", "/run/envoy.sock", "10.0.0.1:80", " 10.0.0.1", "10.0.0.01", "0x0a000001"])
    def test_an_address_that_is_none_is_in_no_network(self, address: str) -> None:
        assert isinstance(check(entry(cidrs=("0.0.0.0/0", "::/0")), source_ip=address), Rejected)

    def test_a_dead_key_is_dead_before_it_is_elsewhere(self) -> None:
        verdict = check(entry(revoked=True, routes=("a",), cidrs=("11.0.0.0/8",)))
        assert verdict == Rejected(Reason.INVALID_API_KEY, "key revoked")


class TestFile:
    def test_an_id_twice(self) -> None:
        with pytest.raises(SourceError, match="key one: the id stands twice"):
            table(entry("sk_1"), entry("sk_2"))

    def test_a_digest_twice(self) -> None:
        with pytest.raises(SourceError, match="key two: has the digest of key one"):
            table(entry("sk_1", "one"), entry("sk_1", "two"))

    @pytest.mark.parametrize("peppers", [{}, {"2026": Secret(b"")}])
    def test_a_live_key_needs_its_pepper(self, peppers: dict[str, Secret]) -> None:
        with pytest.raises(SourceError, match="key one: pepper 2026 is not configured"):
            table(entry("sk_1", "one", "2026"), peppers=peppers)

    @pytest.mark.parametrize("changes", [{"revoked": True}, {"expires_at": NOW}])
    def test_a_dead_key_does_not(self, changes: dict[str, Any]) -> None:
        assert table(entry("sk_1", "one", "2026", **changes), peppers={}).lookup("sk_1") is None

    def test_a_network_that_is_none(self) -> None:
        with pytest.raises(SourceError, match="key one: a network"):
            table(entry(cidrs=("10.0.0.1/8",)))

    def test_which_peppers_are_in_use(self) -> None:
        """A pepper retires only when no live key uses it."""
        entries = [
            entry("1", "a", "2026"),
            entry("2", "b", "2026", revoked=True),
            entry("3", "c", "2025", expires_at=NOW),
            entry("4", "d"),
            entry("5", "e", "2026", not_before=NOW + 1),
        ]
        assert peppers_in_use(entries, NOW) == {"2026": 2, "2025": 0}

    def test_it_is_read_in_slices(self) -> None:
        entries = [KeyEntry(id=str(index), digest=Digest(None, index.to_bytes(32, "big"))) for index in range(1000)]
        steps = read_entries(entries, store="s", peppers={}, wall=NOW)
        assert sum(1 for _ in steps) == 1000 // 16


class TestGenerate:
    """Security rule 13."""

    @pytest.mark.parametrize("prefix", ["sk", "sk_", "partner-live", "a"])
    def test_form(self, prefix: str) -> None:
        key = generate_key(prefix)
        assert re.fullmatch(re.escape(prefix.removesuffix("_")) + r"_[0-9A-Za-z]{38}", key)
        assert checksum_holds(key)

    def test_enough_bits(self) -> None:
        assert len(api_key.ALPHABET) ** api_key.RANDOM_CHARACTERS >= 2**160
        assert len({generate_key("sk") for _ in range(1000)}) == 1000

    @pytest.mark.parametrize("prefix", ["", "_", "1a", "a b", "a" * 33, "ä", "a\n", "-a"])
    def test_bad_prefix(self, prefix: str) -> None:
        with pytest.raises(ValueError, match="prefix"):
            generate_key(prefix)

    def test_a_typo_shows(self) -> None:
        key = generate_key("sk")
        for at in range(len(key)):
            other = "1" if key[at] != "1" else "2"
            assert not checksum_holds(key[:at] + other + key[at + 1 :])
        assert not checksum_holds(key[:-1])
        assert not checksum_holds(key + "0")

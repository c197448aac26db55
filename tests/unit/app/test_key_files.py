"""Key files from the command line: what is written is what the serving process reads."""

import json
import stat
from pathlib import Path

import pytest

from sidecar.app.key_files import (
    KeyFile,
    KeyFileError,
    NoSuchKey,
    add_key,
    configured_key_file,
    digest_of,
    expiry,
    list_keys,
    plain_key_file,
    revoke_key,
)
from sidecar.authn.api_key import digest_text
from sidecar.config.keyfile import parse_key_file
from sidecar.model.errors import ConfigError
from sidecar.model.secret import Secret
from tests.support.tables import build_table, checksum_holds


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    (tmp_path / "pepper").write_bytes(b"a pepper\n")
    return plain_key_file(str(tmp_path / "keys.yaml"), {"1": ("file", str(tmp_path / "pepper"))})


def test_a_new_key_is_found_by_its_digest_alone(file: KeyFile) -> None:
    """Security rule 13: the key is shown once, and only its digest is stored."""
    made = add_key(file, "billing-1", "sk", None, {"owner": "billing", "permissions": ("posts:read",), "cidrs": ("10.0.0.0/8",)})
    content = Path(file.path).read_bytes()
    assert made.key.startswith("sk_")
    assert checksum_holds(made.key)
    assert made.key.encode() not in content
    assert stat.S_IMODE(Path(file.path).stat().st_mode) == 0o600
    entries, problems = parse_key_file(file.path, content, {"1"})
    assert problems == ()
    record = build_table(entries, store="s", peppers={"1": Secret(b"a pepper")}, wall=0.0).lookup(made.key)
    assert record is not None
    assert record.identity.subject == "billing"


def test_an_id_can_be_given_once(file: KeyFile) -> None:
    add_key(file, "a", "sk", None, {})
    before = Path(file.path).read_bytes()
    with pytest.raises(ConfigError, match="same id"):
        add_key(file, "a", "sk", None, {})
    assert Path(file.path).read_bytes() == before


def test_a_bad_field_changes_nothing(file: KeyFile) -> None:
    with pytest.raises(ConfigError, match="cidrs"):
        add_key(file, "a", "sk", None, {"cidrs": ("not a network",)})
    assert not Path(file.path).exists()


def test_a_file_that_is_broken_already_is_not_edited(file: KeyFile) -> None:
    Path(file.path).write_text("keys: [{id: a}]")
    with pytest.raises(ConfigError, match="digest"):
        add_key(file, "b", "sk", None, {})
    assert Path(file.path).read_text() == "keys: [{id: a}]"


def test_listing_shows_states_and_what_peppers_serve(file: KeyFile) -> None:
    """Security rule 14: a pepper retires only when no live key uses it."""
    for key_id, fields in {"live": {}, "old": {"expires_at": expiry("-1m")}, "next": {"not_before": expiry("1d")}, "gone": {}}.items():
        add_key(file, key_id, "sk", None, fields)
    revoke_key(file, "gone")
    listing = list_keys(file)
    assert {row.id: row.state for row in listing.keys} == {"live": "live", "old": "expired", "next": "not yet", "gone": "revoked"}
    assert listing.peppers == {"1": 2}
    assert all(row.digest == "hmac-sha256:1" for row in listing.keys), "no digest is shown"


def test_revoking_needs_no_pepper_and_tells_an_unknown_id(file: KeyFile) -> None:
    add_key(file, "a", "sk", None, {})
    without = plain_key_file(file.path, {})
    revoke_key(without, "a")
    assert list_keys(without).keys[0].state == "revoked"
    with pytest.raises(NoSuchKey, match="'b'"):
        revoke_key(without, "b")
    with pytest.raises(FileNotFoundError):
        revoke_key(plain_key_file(file.path + ".gone", {}), "a")


def test_which_pepper_has_to_be_clear(file: KeyFile, tmp_path: Path) -> None:
    two = plain_key_file(file.path, {**file.peppers, "2": ("file", str(tmp_path / "pepper"))})
    with pytest.raises(KeyFileError, match=r"--pepper-id 1 \| 2"):
        digest_of(two, "k", None)
    assert digest_of(two, "k", "2") == digest_text("k", "2", Secret(b"a pepper"))
    with pytest.raises(KeyFileError, match="known: 1, 2"):
        digest_of(two, "k", "3")


def test_without_peppers_the_digest_is_plain() -> None:
    assert digest_of(plain_key_file("-", {}), "k", None) == digest_text("k", None, None)


@pytest.mark.parametrize("key", ["", " k", "k\n"])
def test_a_key_with_white_space_is_refused(key: str) -> None:
    with pytest.raises(KeyFileError):
        digest_of(plain_key_file("-", {}), key, None)


def test_a_bad_prefix_is_said(file: KeyFile) -> None:
    with pytest.raises(KeyFileError, match="prefix"):
        add_key(file, "a", "1 2", None, {})


def test_the_store_of_a_configuration(tmp_path: Path) -> None:
    keys, config = tmp_path / "keys.yaml", tmp_path / "config.yaml"
    keys.write_text("keys: []\n")
    (tmp_path / "pepper").write_text("p")
    store = {"store": {"file": str(keys)}, "peppers": {"1": {"file": str(tmp_path / "pepper")}}}
    route = {"paths": ["/"], "authenticate": ["one"], "require": {"authenticated": True}}
    config.write_text(json.dumps({"version": 1, "api_keys": {"one": store}, "routes": {"r": route}}))
    found = configured_key_file(str(config), None)
    assert (found.path, found.peppers) == (str(keys), {"1": ("file", str(tmp_path / "pepper"))})
    with pytest.raises(KeyFileError, match="--store one"):
        configured_key_file(str(config), "two")
    add_key(found, "a", "sk", None, {})
    keys.write_text(keys.read_text().replace(":1:", ":2:"))
    with pytest.raises(ConfigError, match="no pepper"):
        list_keys(found)

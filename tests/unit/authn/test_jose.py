"""Security rules 1, 2 and 4: one token, one reading."""

import base64
import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authn.jose import UnverifiedToken, decode_base64url, jwt_shaped, parse_token, strict_json_object
from sidecar.model.outcome import Rejected
from sidecar.model.reason import Reason
from tests.support.tokens import b64, claims, compact, mint, shared_key

KEY = shared_key("ES256")
SIZE = 8192
HEAD = json.dumps({"alg": "ES256", "kid": "k1"}).encode()
BODY = json.dumps(claims()).encode()


def detail(raw: str, size: int = SIZE) -> str:
    verdict = parse_token(raw, size)
    assert isinstance(verdict, Rejected), verdict
    assert verdict.reason is Reason.INVALID_TOKEN
    return verdict.detail


def head_detail(**fields: object) -> str:
    return detail(compact(json.dumps({"alg": "ES256", **fields}).encode(), BODY, KEY))


def body_detail(body: bytes) -> str:
    return detail(compact(HEAD, body, KEY))


class TestShape:
    """Security rule 1."""

    def test_a_good_token_is_taken_apart(self) -> None:
        raw = mint(KEY)
        token = parse_token(raw, SIZE)
        assert isinstance(token, UnverifiedToken)
        assert (token.alg, token.kid, token.typ) == ("ES256", "k1", "at+jwt")
        assert token.claims == claims()
        assert token.signing_input.decode() == raw.rpartition(".")[0]
        assert b64(token.signature) == raw.rpartition(".")[2]

    def test_the_length_comes_first(self) -> None:
        raw = mint(KEY)
        assert isinstance(parse_token(raw, len(raw)), UnverifiedToken)
        assert detail(raw, len(raw) - 1) == f"longer than {len(raw) - 1} bytes"
        assert detail("é" * (SIZE + 1)).startswith("longer")

    @pytest.mark.parametrize("raw", ["", ".", "a", "a.b", "a.b.c.d", "a.b.c.d.e.f"])
    def test_only_three_parts(self, raw: str) -> None:
        assert detail(raw) == "not three parts"

    def test_five_parts_are_refused_unread(self) -> None:
        assert detail("!.!.!.!.!") == "five parts: encrypted tokens are not accepted"

    @pytest.mark.parametrize("index", [0, 1, 2])
    def test_no_empty_part(self, index: int) -> None:
        parts = mint(KEY).split(".")
        parts[index] = ""
        assert detail(".".join(parts)) == "an empty part"

    @pytest.mark.parametrize("index", [0, 1, 2])
    @pytest.mark.parametrize("character", ["=", "+", "/", " ", "\n", "\t", "\0", "~", "%", "!", "\x7f"])
    @pytest.mark.parametrize("place", ["start", "middle", "end"])
    def test_no_other_character(self, index: int, character: str, place: str) -> None:
        parts = mint(KEY).split(".")
        at = {"start": 0, "middle": len(parts[index]) // 2, "end": len(parts[index])}[place]
        parts[index] = parts[index][:at] + character + parts[index][at:]
        assert detail(".".join(parts)) in {"not base64url", "not canonical base64url"}

    @pytest.mark.parametrize("character", ["é", "\u0435", "\uff10", "\u200b", "\ud800"])
    def test_no_character_beyond_ascii(self, character: str) -> None:
        assert detail(mint(KEY) + character) == "not ASCII"

    def test_every_second_spelling_of_a_part_is_refused(self) -> None:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        for size in (1, 2, 4, 5):
            data = bytes(range(size))
            good = b64(data)
            for last in alphabet:
                other = good[:-1] + last
                if other != good and base64.urlsafe_b64decode(other + "=" * (-len(other) % 4)) == data:
                    with pytest.raises(ValueError, match="canonical"):
                        decode_base64url(other.encode())
            assert decode_base64url(good.encode()) == data

    def test_an_impossible_length(self) -> None:
        with pytest.raises(ValueError, match="canonical"):
            decode_base64url(b"AAAAA")

    @given(st.binary(max_size=200))
    def test_what_is_encoded_is_decoded(self, data: bytes) -> None:
        assert decode_base64url(b64(data).encode()) == data

    @given(st.binary(max_size=40))
    def test_what_is_decoded_has_one_spelling(self, text: bytes) -> None:
        try:
            data = decode_base64url(text)
        except ValueError:
            return
        assert b64(data).encode() == text


class TestJson:
    """Security rule 2."""

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (b'{"iss":"a","iss":"b"}', "payload: a member stands twice"),
            (b'{"a":{"b":1,"b":1}}', "payload: a member stands twice"),
            (b'{"a":[{"b":1,"\\u0062":2}]}', "payload: a member stands twice"),
            (b'{"exp":NaN}', "payload: NaN or Infinity"),
            (b'{"exp":Infinity}', "payload: NaN or Infinity"),
            (b'{"exp":-Infinity}', "payload: NaN or Infinity"),
            (b'{"exp":1e999}', "payload: a number beyond any float"),
            (b'{"exp":-1e999}', "payload: a number beyond any float"),
            (b'{"exp":' + b"9" * 5000 + b"}", "payload: an integer of thousands of digits"),
            (b"\xef\xbb\xbf{}", "payload: not JSON"),
            ('{"iss":"a"}'.encode("utf-16"), "payload: not UTF-8"),
            ('{"iss":"a"}'.encode("utf-16-le"), "payload: not JSON"),
            ('{"iss":"a"}'.encode("utf-32"), "payload: not UTF-8"),
            (b'{"iss":"\xff"}', "payload: not UTF-8"),
            (b'{"iss":"\xc0\xaf"}', "payload: not UTF-8"),
            (b'{"iss":"\xed\xa0\x80"}', "payload: not UTF-8"),
            (b'{"iss":"\\ud800"}', "payload: a surrogate without its pair"),
            (b'{"\\uDFFF":1}', "payload: a surrogate without its pair"),
            (b"[]", "payload: not a JSON object"),
            (b"null", "payload: not a JSON object"),
            (b'"text"', "payload: not a JSON object"),
            (b"1", "payload: not a JSON object"),
            (b"{", "payload: not JSON"),
            (b"{} {}", "payload: not JSON"),
            (b'{"a":1,}', "payload: not JSON"),
            (b'{"a":01}', "payload: not JSON"),
            (b"{'a':1}", "payload: not JSON"),
            (b'{"a":"\n"}', "payload: not JSON"),
            (b"{}\0", "payload: not JSON"),
            (b'{"iss":1}', "payload: iss is missing or not a string"),
            (b'{"iss":[]}', "payload: iss is missing or not a string"),
            (b"{}", "payload: iss is missing or not a string"),
        ],
    )
    def test_refused(self, body: bytes, why: str) -> None:
        assert body_detail(body) == why

    def test_the_header_is_held_to_the_same(self) -> None:
        assert detail(compact(b'{"alg":"none","alg":"ES256"}', BODY, KEY)) == "header: a member stands twice"
        assert detail(compact(b'["alg"]', BODY, KEY)) == "header: not a JSON object"

    def test_depth(self) -> None:
        def nested(depth: int) -> bytes:
            return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)

        assert strict_json_object(nested(32))
        with pytest.raises(ValueError, match="deeper than 32"):
            strict_json_object(nested(33))
        with pytest.raises(ValueError, match="deeper than 32"):
            strict_json_object(b'{"a":' + b"[" * 32 + b"]" * 32 + b"}")

    def test_brackets_in_texts_and_side_by_side_are_no_depth(self) -> None:
        assert strict_json_object(b'{"a":"' + b"[" * 100 + b'","b":[' + b"[]," * 100 + b"{}]}")
        assert strict_json_object(b'{"a":"\\"' + b"{" * 100 + b'\\\\"}')

    def test_a_pair_of_surrogates_is_one_character(self) -> None:
        assert strict_json_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "😀"}

    @pytest.mark.parametrize(
        "data",
        [
            b"[" * 500_000,
            b'{"a":' * 100_000,
            b'"' * 500_000,
            b'{"a":"' + b'\\"' * 250_000,
            b'{"a":"' + b'\\"' * 250_000 + b"\\",
            b'{"a":[' + b"[]," * 160_000 + b"[]]}",
            b'{"a":' + b"1" * 500_000 + b"}",
            b"{" * 33 + b'"\\' * 200_000,
            b'{"a":"' + b"\\ud83d\\ude00" * 40_000 + b'"}',
        ],
    )
    def test_the_work_is_linear(self, data: bytes) -> None:
        """Security rule 30: half a megabyte of the worst takes no longer than a quadratic search through 10 KiB."""
        start = time.process_time()
        with contextlib.suppress(ValueError):
            strict_json_object(data)
        assert time.process_time() - start < 1.0

    def test_the_words_repeat_nothing(self) -> None:
        """Security rule 22."""
        for body in (b'{"canary":1,"canary":2}', b'{"iss":"canary', b'{"canary":NaN}'):
            assert "canary" not in body_detail(body)


class TestHeader:
    """Security rule 4."""

    @pytest.mark.parametrize("name", ["crit", "b64", "zip"])
    @pytest.mark.parametrize("value", [None, True, False, [], ["exp"], "DEF", {}])
    def test_extensions_are_refused(self, name: str, value: object) -> None:
        assert head_detail(**{name: value}) == f"header: {name} is not supported"

    @pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c", "x5t", "cty"])
    def test_key_hints_are_left_unread(self, name: str) -> None:
        token = parse_token(mint(KEY, **{name: "https://attacker.example/keys"}), SIZE)
        assert isinstance(token, UnverifiedToken)

    @pytest.mark.parametrize("value", [None, 1, True, ["k1"], {"a": 1}, "k" * 257, "k\n1", "k\0", "k\x7f", "\u202ek"])
    def test_a_bad_kid(self, value: object) -> None:
        assert head_detail(kid=value) == "header: kid is not a string of at most 256 printable characters"

    @pytest.mark.parametrize("value", ["k" * 256, "", "../../dev/null", "' OR 1=1", "schlüssel"])
    def test_a_kid_is_only_a_text(self, value: str) -> None:
        token = parse_token(mint(KEY, kid=value), SIZE)
        assert isinstance(token, UnverifiedToken)
        assert token.kid == value

    def test_absent_kid_and_typ(self) -> None:
        token = parse_token(mint(KEY, kid=None, typ=None), SIZE)
        assert isinstance(token, UnverifiedToken)
        assert (token.kid, token.typ) == (None, None)

    @pytest.mark.parametrize("value", [None, 1, True, ["ES256"], {}])
    def test_alg_is_a_text(self, value: object) -> None:
        assert head_detail(alg=value) == "header: alg is missing or not a string"

    def test_alg_is_there(self) -> None:
        assert detail(compact(b"{}", BODY, KEY)) == "header: alg is missing or not a string"

    @pytest.mark.parametrize("value", [None, 1, True, [], {}])
    def test_typ_is_a_text(self, value: object) -> None:
        assert head_detail(typ=value) == "header: typ is not a string"


@pytest.mark.parametrize(
    ("raw", "shaped"), [("a.b.c", True), ("a.b.c.d.e", True), ("a.b", False), ("sk_abc", False), ("", False), ("a.b.c.d", False)]
)
def test_jwt_shaped(raw: str, shaped: bool) -> None:
    assert jwt_shaped(raw) is shaped


class TestNothingRaises:
    """Security rules 1 and 2: whatever comes, a value goes."""

    @given(st.text(max_size=300))
    def test_any_text(self, raw: str) -> None:
        assert isinstance(parse_token(raw, SIZE), Rejected)

    @given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=80))
    def test_any_bytes_as_parts(self, head: bytes, body: bytes, tail: bytes) -> None:
        assert isinstance(parse_token(f"{b64(head)}.{b64(body)}.{b64(tail)}", SIZE), Rejected)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=20,
        )
    )
    def test_any_json(self, value: object) -> None:
        raw = f"{b64(json.dumps(value).encode())}.{b64(json.dumps({'iss': 'a', 'x': value}).encode())}.AA"
        assert isinstance(parse_token(raw, SIZE), Rejected | UnverifiedToken)

    @given(st.data())
    def test_one_changed_character(self, data: st.DataObject) -> None:
        raw = mint(KEY)
        at = data.draw(st.integers(0, len(raw) - 1))
        changed = raw[:at] + data.draw(st.characters()) + raw[at + 1 :]
        assert isinstance(parse_token(changed, SIZE), Rejected | UnverifiedToken)

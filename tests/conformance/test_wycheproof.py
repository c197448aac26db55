"""Wycheproof's JSON Web Signature and JSON Web Key vectors (Apache-2.0). Security rules 1, 3, 4 and 11.

Every vector is accounted for: it ends as its file says, or is listed here with the reason why it cannot.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.vectors import ACCEPTED, load, outcome

SIGNATURES = load("wycheproof/json_web_signature_test.json")
KEYS = load("wycheproof/json_web_key_test.json")

EMPTY_PAYLOAD = "a JWT has a payload (RFC 7519 §3): three non-empty parts"
OTHER_ALGORITHM = "the key names another algorithm than the token; one key, one algorithm (RFC 8725 §3.1)"
NO_SUCH_ALGORITHM = "the key names ES521, which is no algorithm"
LOST_PADDING = "the text in the file has lost the padding that it is about: it is a flawless token"
STRAY_CHARACTER = "the file takes base64url with a stray character for valid; we never do (RFC 7515 §2)"
SEVERAL_SECRETS = "a set of symmetric keys: a shared secret is one key, and published ones are dropped"

STRICTER = {
    **dict.fromkeys([259, 264, 268, 272, 320, 325], EMPTY_PAYLOAD),
    **dict.fromkeys([346, 350], OTHER_ALGORITHM),
    **dict.fromkeys([347, 351], NO_SUCH_ALGORITHM),
    **dict.fromkeys([372, 373], STRAY_CHARACTER),
}
"""Valid by the file, refused here."""
NOT_AS_DESCRIBED = dict.fromkeys([367, 370], LOST_PADDING)
"""Invalid by the file, accepted here."""
STRICTER_KEYS = {2: SEVERAL_SECRETS}


def vectors(document: Any) -> Iterator[tuple[int, str, str, list[dict[str, Any]], str]]:
    """(tcId, comment, token, keys, expected result)."""
    for group in document["testGroups"]:
        published = group.get("public") or group["private"]
        for test in group["tests"]:
            yield test["tcId"], f"{group['comment']}-{test['comment']}", test["jws"], published.get("keys", [published]), test["result"]


def ids(document: Any) -> list[str]:
    return [f"{number}-{comment}" for number, comment, *_ in vectors(document)]


def expected(number: int, result: str, stricter: dict[int, str], loose: dict[int, str]) -> bool:
    """Whether the token should be accepted."""
    if number in stricter:
        assert result == "valid"
        return False
    if number in loose:
        assert result == "invalid"
        return True
    return result == "valid"


@pytest.mark.parametrize(("number", "comment", "raw", "keys", "result"), list(vectors(SIGNATURES)), ids=ids(SIGNATURES))
def test_signature(number: int, comment: str, raw: Any, keys: list[dict[str, Any]], result: str) -> None:
    assert isinstance(raw, str)
    assert (outcome(raw, keys) == ACCEPTED) is expected(number, result, STRICTER, NOT_AS_DESCRIBED)


@pytest.mark.parametrize(("number", "comment", "raw", "keys", "result"), list(vectors(KEYS)), ids=ids(KEYS))
def test_key(number: int, comment: str, raw: Any, keys: list[dict[str, Any]], result: str) -> None:
    assert (outcome(raw, keys) == ACCEPTED) is expected(number, result, STRICTER_KEYS, {})


def test_every_signature_vector_is_accounted_for() -> None:
    counts = Counter(outcome(raw, keys) == ACCEPTED for _, _, raw, keys, _ in vectors(SIGNATURES))
    assert counts == {True: 34 + len(NOT_AS_DESCRIBED), False: 355 - len(NOT_AS_DESCRIBED) + len(STRICTER)}
    assert sum(counts.values()) == SIGNATURES["numberOfTests"] == 401
    assert Counter(STRICTER.values()) == {EMPTY_PAYLOAD: 6, OTHER_ALGORITHM: 2, NO_SUCH_ALGORITHM: 2, STRAY_CHARACTER: 2}
    assert len(NOT_AS_DESCRIBED) == 2


def test_every_key_vector_is_accounted_for() -> None:
    counts = Counter(outcome(raw, keys) == ACCEPTED for _, _, raw, keys, _ in vectors(KEYS))
    assert counts == {True: 4, False: 22}
    assert sum(counts.values()) == KEYS["numberOfTests"] == 26
    assert Counter(STRICTER_KEYS.values()) == {SEVERAL_SECRETS: 1}


def test_refusals_are_for_the_reason_that_the_vector_is_about() -> None:
    by_number = {number: (raw, keys) for number, _, raw, keys, _ in vectors(KEYS)}
    assert "ROCA" in outcome(*by_number[7])
    reasons = Counter(outcome(raw, keys).rpartition(": ")[2] for _, _, raw, keys, _ in vectors(KEYS))
    assert reasons["the point is not on the curve"] == 1
    assert reasons["RSA modulus of 1024 bits"] + reasons["2048 to 8192 are accepted"] == 1
    assert reasons["RSA exponent is not 65537"] == 1
    stages = Counter(outcome(raw, keys).partition(":")[0] for _, _, raw, keys, result in vectors(SIGNATURES) if result == "invalid")
    assert stages == {"keys": 4, "no key fits kid and alg": 8, "parse": 47, "the signature does not hold": 294, ACCEPTED: 2}

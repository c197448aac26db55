"""Security rule 26: secrets live in values that don't show them."""

import copy
import pickle

import pytest

from sidecar.model.secret import Secret

CANARY = b"s3cr3t-canary"


def test_reveal_is_the_only_way_to_see_it() -> None:
    secret = Secret(CANARY)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{secret!r}", repr([secret]), repr(vars(type(secret)))]
    assert not [text for text in shown if CANARY.decode() in text]
    assert secret.reveal() == CANARY


def test_an_empty_one_is_false() -> None:
    assert not Secret(b"")
    assert len(Secret(CANARY)) == len(CANARY)


def test_equality_is_by_content() -> None:
    assert Secret(b"a") == Secret(b"a")
    assert Secret(b"a") != Secret(b"b")
    assert Secret(b"a") != b"a"


@pytest.mark.parametrize("attempt", [hash, pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_no_key_and_is_not_copied(attempt: object) -> None:
    with pytest.raises(TypeError) as caught:
        attempt(Secret(CANARY))
    assert CANARY.decode() not in str(caught.value)

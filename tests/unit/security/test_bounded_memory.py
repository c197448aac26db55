"""Security rule 30: what a request leaves behind is bounded, whatever it holds."""

from sys import getsizeof
from typing import Any

import pytest

from sidecar.engine.canonical import canonical_host, canonical_path
from sidecar.model.decision import Allow
from sidecar.model.mutation import Mutations
from tests.support.world import World, bearer, config, payload

MOST = 11 * 1024
"""Bytes. 8,192 of them wait at most while nobody reads the records, and 1,000 are kept for the admin listener."""
WIDE = "\N{GRINNING FACE}"
"""Takes four bytes for each character of the text that it is in."""

HOSTILE: dict[str, dict[str, Any]] = {
    "traceparent": {"headers": {"traceparent": WIDE * 14_000}},
    "request id": {"headers": {"x-request-id": WIDE * 14_000}},
    "all": {
        "method": WIDE + "G" * 9000,
        "host": WIDE + "h" * 9000,
        "path": "/" + WIDE + "p" * 20_000,
        "headers": {"traceparent": WIDE + "t" * 9000, "x-request-id": WIDE + "r" * 9000},
    },
    "query": {"path": f"/healthz?{WIDE}{'q' * 50_000}"},
    "cookies": {"path": "/healthz", "headers": {"cookie": f"sid=x; {WIDE}={'c' * 50_000}"}},
    "names": {"path": "/healthz", "headers": {f"X_User_Id{'_' * number}": "root" for number in range(1, 500)}},
    "short way": {"headers": {**bearer(roles=["viewer"]), "traceparent": WIDE + "t" * 900, "x-request-id": WIDE + "r" * 2000}},
}


def taken(world: World) -> int:
    """Bytes of what the last check handed over, without what all checks of a principal share."""
    decision, facts = world.sink.decisions[-1], world.sink.facts[-1]
    texts = [text for text in facts if text is not None]
    if isinstance(decision, Allow):
        mutations = decision.mutations
        assert isinstance(mutations, Mutations)
        texts += [*mutations.removed, *mutations.query_removed, *(text for pair in mutations.set_headers for text in pair)]
        encoded = sum(map(len, filter(None, decision.encoded or ())))
        return encoded + sum(map(getsizeof, texts))
    return getsizeof(decision.detail) + sum(map(getsizeof, texts))


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_kept_of_a_check_is_small(name: str, *, raw: bool) -> None:
    """A caller without any credential could have had 57 KB times four kept for each of a thousand checks."""
    data = config(strip_headers=["x-user-*"])
    data["issuers"]["corp"]["credentials"] = [{"header": "authorization", "scheme": "Bearer"}, {"cookie": "sid", "forward": False}]
    world = World(data if name == "cookies" else config(strip_headers=["x-user-*"]))
    for _ in range(3):
        world.answer(payload(raw=raw, **HOSTILE[name]))
        assert taken(world) < MOST


@pytest.mark.parametrize("path", ["/" + "a" * 8191, "/" + "a" * 8192, "/" + "a" * 20_000, "/" + "a" * 20_000 + "?" + WIDE])
def test_a_long_path_is_still_told_from_one_that_is_too_long(path: str) -> None:
    world = World()
    world.answer(payload(path=path))
    assert canonical_path(world.sink.facts[-1][2]) == canonical_path(path)


@pytest.mark.parametrize("path", ["/" + "a" * 3000 + WIDE, WIDE * 3000, "/" + "a" * 100 + WIDE + "?" + "a" * 9000])
def test_a_path_with_other_characters_is_still_refused_for_them(path: str) -> None:
    world = World()
    world.answer(payload(path=path))
    assert canonical_path(world.sink.facts[-1][2]) == canonical_path(path)


def test_a_query_with_other_characters_does_not_make_a_path_another() -> None:
    world = World()
    world.answer(payload(path="/posts?" + WIDE * 5000))
    assert canonical_path(world.sink.facts[-1][2]) == canonical_path("/posts")


@pytest.mark.parametrize("length", [253, 254, 261, 9000])
def test_a_long_host_is_still_told_from_one_that_is_too_long(length: int) -> None:
    host = ("a" * 61 + ".") * (length // 62) + "a" * (length % 62)
    for whole in (host, f"{host}:65535", f"{host}.:65535"):
        world = World()
        world.answer(payload(host=whole))
        assert canonical_host(world.sink.facts[-1][1]) == canonical_host(whole)


def test_a_traceparent_that_goes_on_does_not_become_a_good_one() -> None:
    world, good = World(), f"00-{'a' * 32}-{'b' * 16}-01"
    for value in (good, good + "-more", good + "x" * 5000):
        world.answer(payload(headers={"traceparent": value}))
    assert [facts[5] == good for facts in world.sink.facts] == [True, False, False]

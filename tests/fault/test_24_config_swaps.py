"""Rows 24 and 27: the configuration changes on disk while it serves, as kubelet and editors change it, also much too often."""

import time
from collections.abc import Callable

import pytest

from tests.serve.site import Running, eventually

from .generations import Swapping, Swaps, decided_under, kinds, revision
from .invariants import Watch
from .kubelet import SECRET_MODE, Volume
from .scene import Scene

TAKES_EFFECT = 2.0
"""Seconds from a swap until decisions are made by it."""
PATIENCE = 15.0
"""For the same on a machine that is busy with other tests; what is measured alone has to keep TAKES_EFFECT."""


def in_use(running: Running) -> str:
    return str(running.status()["revision"])


def reloads(running: Running) -> int:
    return running.log().count('"message":"configuration reloaded"')


def limit() -> float:
    from .figures import measuring  # noqa: PLC0415

    return TAKES_EFFECT if measuring() else PATIENCE


@pytest.mark.slow
def test_row_24_config_map_swaps(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = scene_of()
    swaps = Swaps(scene)
    with scene.start() as running, watch(running, kinds=kinds(scene)) as seen:
        took = []
        for _ in range(5):
            wanted = swaps.next()
            took.append(eventually(lambda wanted=wanted: in_use(running) == wanted, PATIENCE))
            time.sleep(0.5)
        count = reloads(running)
    mixed = [one for one in decided_under(running) if one not in swaps.revisions]
    assert not mixed
    assert seen.statuses("good") == {200}
    assert seen.statuses("bad") == {403}
    assert count == 5
    assert max(took) <= limit()
    words = f"{count} reloads for 5 swaps; in effect after {max(took):.2f} s at most; mixed generations 0 of {len(seen.answers)} decisions"
    figure(24, "ConfigMap ..data swap", "one reload a swap, all files of one generation, ≤ 2 s", words, seen)


@pytest.mark.slow
def test_row_24_secret_volume_swap(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """Key file and pepper in a Secret: a key that the new generation does not have stops, the others go on."""
    scene = scene_of()
    other = scene.new_key("stays")
    files = {path.name: path.read_text() for path in scene.keys.iterdir()}
    secret = Volume(scene.keys, files, mode=SECRET_MODE)
    kept = {"other-key": lambda: {"x-api-key": other}, "bad-key": lambda: {"x-api-key": scene.api_key[:-4] + "aaaa"}}
    with scene.start() as running, watch(running, kinds=kept) as seen:
        assert running.with_key(scene.api_key) == 200
        left = "".join(line for line in files["keys.yaml"].splitlines(keepends=True) if "{id: probe," not in line)
        assert left.count("{id: ") == 1, files["keys.yaml"]
        secret.swap({**files, "keys.yaml": left})
        took = eventually(lambda: running.with_key(scene.api_key) == 403, PATIENCE)
    assert took <= limit()
    assert seen.statuses("other-key") == {200}
    figure(24, "Secret ..data swap", "a removed API key stops ≤ 2 s, others go on", f"stopped after {took:.2f} s; others always 200", seen)


@pytest.mark.slow
def test_row_27_hundred_swaps_a_second(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = scene_of()
    swaps = Swaps(scene)
    with scene.start() as running, watch(running, kinds=kinds(scene)) as seen:
        with Swapping(swaps, 100) as swapping:
            time.sleep(8)
        last = list(swaps.revisions)[-1]
        took = eventually(lambda: in_use(running) == last, PATIENCE)
        since = time.monotonic()
        eventually(lambda: len(seen.of("", since)) > 8)
        count = reloads(running)
    used = decided_under(running)
    mixed = [one for one in used if one not in swaps.revisions]
    rate = swapping.count / swapping.seconds
    assert not mixed
    assert seen.statuses("good") == {200}, "a mixture refuses whoever each generation lets in"
    assert seen.statuses("bad") == {403}
    assert took <= limit()
    assert 1 <= count <= 8 * 4, "debounced"
    assert rate > 80
    words = (
        f"{rate:.0f} swaps/s for 8 s: {count} reloads, mixed generations 0 of {len(used)} decisions, "
        f"the last swap in effect after {took:.2f} s"
    )
    figure(27, "100 config swaps a second", "debounced; mixed generations 0; lag p99 < 50 ms; ≤ 2 s", words, seen)


@pytest.mark.slow
def test_row_27_partial_writes(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    """A file written in place, piece by piece and slowly, as an editor or a shell would: the last good one until it is whole."""
    scene = scene_of()
    text = scene.config()
    changed = text.replace("paths: [/healthz]", "paths: [/health]")
    with scene.start() as running, watch(running, scene, asking=False) as seen:
        with (scene.conf / "config.yaml").open("w") as file:
            for at in range(0, len(changed), 200):
                file.write(changed[at : at + 200])
                file.flush()
                assert running.http_status("/healthz") == 200
                time.sleep(0.25)
        took = eventually(lambda: running.http_status("/health") == 200, PATIENCE)
        assert running.status()["last_reload"]["ok"] is True
    assert seen.statuses("good") == {200}
    assert took <= limit()
    words = f"good requests {len(seen.of('good'))} of {len(seen.of('good'))} while it was written; in effect {took:.2f} s after its end"
    figure(27, "config written in pieces, in place", "the last good one until it is whole", words, seen)


LINES = 20_000


def large(scene: Scene) -> str:
    """The scene's configuration with so many routes that it has 20,000 lines."""
    routes = "".join(
        f'  r{number}:\n    methods: [GET]\n    paths: ["/r/{number}/{{id}}"]\n    authenticate: [corp]\n'
        f'    require: {{permission: "posts:read"}}\n'
        for number in range(LINES // 5)
    )
    return scene.config().replace("identity_headers:", routes + "identity_headers:")


@pytest.mark.slow
def test_row_27_large_config(scene_of: Callable[..., Scene], watch: Callable[..., Watch], figure: Callable[..., None]) -> None:
    scene = scene_of()
    text = large(scene)
    with scene.start() as running, watch(running, scene, rss_limit=400e6) as seen:
        scene.write(text)
        took = eventually(lambda: running.with_token(scene.good()) == 200 and running.http_status("/r/7/x") == 401, 60)
    assert seen.statuses("good") == {200}
    figure(27, f"a config of {len(text.splitlines()):,} lines", "read off the loop: lag p99 < 50 ms", f"in effect after {took:.1f} s", seen)


def test_row_24_revision_is_that_of_the_files(scene_of: Callable[..., Scene], figure: Callable[..., None]) -> None:
    """What the other tests take for the mark of one generation is that, and each file counts."""
    scene = scene_of()
    swaps = Swaps(scene)
    with scene.start() as running:
        assert in_use(running) in swaps.revisions
    texts = {path.name: path.read_text() for path in scene.conf.glob("*.yaml")}
    assert len(texts) == 3
    others = {revision({**texts, name: texts[name] + "\n"}) for name in texts}
    assert len(others | set(swaps.revisions)) == 4
    figure(24, "revision of a mounted ConfigMap", "the digest of its files", "as calculated from the files; each file changes it")

"""``sidecar serve --shadow-config``: a candidate is loaded, compared, reloaded, and can be broken, while the active one serves."""

import json

from .site import Site, eventually


def test_a_candidate_beside_the_active_configuration(site_on_both: Site) -> None:
    site = site_on_both
    candidate, text = site.conf.parent / "other" / "config.yaml", site.config()
    candidate.parent.mkdir()
    candidate.write_text(text.replace('viewer: {permissions: ["posts:read"]}', 'viewer: {permissions: ["posts:list"]}'))
    site.arguments = ["--shadow-config", str(candidate), "--shadow-share", "1"]
    with site.start() as running:
        eventually(lambda: running.status()["candidate"]["revision"] is not None)
        assert running.with_token(site.token()) == 200
        status = running.status()["candidate"]
        assert status["would"] == {"deny": 1}
        assert status["last_reload"]["ok"] is True
        assert running.metric('shadow_decisions_total{policy="candidate",would="deny"}') == 1
        eventually(lambda: len(running.records()) == 1)
        (record,) = running.records()
        assert record["shadow"] == [{"policy": "candidate", "would": "deny", "reason": "insufficient_permission"}]
        candidate.write_text(text)
        eventually(lambda: running.status()["candidate"]["revision"] == running.status()["revision"])
        assert running.with_token(site.token()) == 200
        assert running.status()["candidate"]["would"] == {"deny": 1, "same": 1}
        candidate.write_text("version: 1\nrotues: {}\n")
        eventually(lambda: running.status()["candidate"]["last_reload"]["ok"] is False)
        assert "rotues" in json.dumps(running.status()["candidate"]["last_reload"])
        assert running.with_token(site.token()) == 200
        assert running.metric("config_last_reload_success") == 1


def test_one_that_is_broken_from_the_start_hurts_nobody(site: Site) -> None:
    site.arguments = ["--shadow-config", str(site.folder / "missing.yaml")]
    with site.start() as running:
        eventually(lambda: running.status()["candidate"]["last_reload"]["ok"] is False)
        assert running.with_token(site.token()) == 200
        assert running.status()["candidate"]["revision"] is None

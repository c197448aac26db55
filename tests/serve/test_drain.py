"""SIGTERM: nothing is lost, and everybody is told first."""

import time

import pytest

from sidecar.wire._gen.health_pb2 import HealthCheckResponse

from .site import Load, Site, eventually


@pytest.fixture
def slow_site(site_on_both: Site) -> Site:
    """A site whose drain takes long enough to look at."""
    site_on_both.options["shutdown_delay"] = "1s"
    site_on_both.write(site_on_both.config())
    return site_on_both


def test_a_drain_loses_nothing(slow_site: Site) -> None:
    site = slow_site
    with site.start() as running, Load(running, site.token()) as load:
        eventually(lambda: len(load.answers) > 20)
        running.terminate()
        eventually(lambda: not running.ready())
        assert running.health() == HealthCheckResponse.NOT_SERVING, "who watches is told before anything is refused"
        assert running.status()["not_ready_because"] == ["shutting down"]
        before = len(load.answers)
        time.sleep(0.4)
        assert len(load.answers) > before, "everything is answered during shutdown_delay"
        load.stop()
        assert running.proc.wait(10) == 0
        assert load.errors == []
        assert set(load.answers) == {200}
        assert len(running.records()) == len(load.answers), "every decision has its record"
        assert running.logged('"message":"drained"')


def test_shutdown_timeout_bounds_the_drain(site_on_both: Site) -> None:
    """Who never stops asking gets a denial (not_ready), not a broken connection, until the listener closes."""
    site = site_on_both
    site.options |= {"shutdown_delay": "100ms", "shutdown_timeout": "1s"}
    site.write(site.config())
    with site.start() as running, Load(running, site.token()) as load:
        eventually(lambda: len(load.answers) > 20)
        began = time.monotonic()
        running.terminate()
        assert running.proc.wait(10) == 0
        assert 1 <= time.monotonic() - began < 4
        assert set(load.answers) <= {200, 503}
        assert running.logged("shutdown_timeout reached")
        denied = {record["reason"] for record in running.records() if record.get("status") == 503}
        assert denied <= {"not_ready"}


def test_a_second_sigterm_ends_it_at_once(site_on_both: Site) -> None:
    site = site_on_both
    site.options |= {"shutdown_delay": "20s", "shutdown_timeout": "30s"}
    site.write(site.config())
    with site.start() as running:
        running.terminate()
        eventually(lambda: not running.ready())
        began = time.monotonic()
        running.terminate()
        assert running.proc.wait(5) == 1
        assert time.monotonic() - began < 2


def test_a_socket_file_is_removed(tmp_path) -> None:
    site = Site(tmp_path, unix=True)
    path = tmp_path / "check.sock"
    with site.start() as running:
        assert path.stat().st_mode & 0o777 == 0o660
        running.terminate()
        assert running.proc.wait(10) == 0
    assert not path.exists()

"""``make demo`` and ``make loadtest``, as a user runs them."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from examples.demo.parts import Parts
from examples.demo.rows import ROWS
from examples.demo.run import run

ROOT = Path(__file__).parents[2]


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_the_demo_decides_every_row_as_expected():
    done = start("examples.demo", KEEP="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ROWS)} of {len(ROWS)}" in done.stdout
    assert "FAIL" not in done.stdout


def test_its_configuration_is_valid_as_it_stands():
    done = start("sidecar", "validate", "examples/demo/sidecar.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout + done.stderr


def test_the_demo_can_fail():
    """A row that expects something else says what came instead."""
    allowed = next(row for row in ROWS if row.saw)
    with Parts() as parts:
        assert run(parts, allowed).wrong == ()
        assert "status 200, expected 403" in run(parts, replace(allowed, status=403)).wrong
        assert any("reason" in fault for fault in run(parts, replace(allowed, reason="anonymous")).wrong)
        assert any("rule" in fault for fault in run(parts, replace(allowed, rule="routes.other")).wrong)
        assert any("x-user-id" in fault for fault in run(parts, replace(allowed, saw={"x-user-id": "root"})).wrong)
        assert any("upstream saw the request" in fault for fault in run(parts, replace(allowed, saw=None)).wrong)


@pytest.mark.skipif(shutil.which("h2load") is None, reason="needs h2load")
@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_the_load_test_checks_what_it_counts(front):
    done = start("loadtest", "--front", front, "--calls", "500")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(front)]
    assert sum("h2load" in line and line.endswith("checked") for line in lines) == 4


@pytest.mark.skipif(shutil.which("h2load") is None, reason="needs h2load")
def test_the_load_test_takes_no_denial_for_an_allow(tmp_path):
    from loadtest.checks import Expected, ask, framed, request, wrong  # noqa: PLC0415 - Envoy's own protobuf definitions
    from loadtest.drivers import Failed, h2load  # noqa: PLC0415
    from loadtest.target import SUBJECT, Target  # noqa: PLC0415

    target = Target(tmp_path, "native", int(time.time()))
    try:
        good = request("/api/v1/posts/1", {"authorization": f"Bearer {target.token}"})
        bad = request("/api/v1/posts/1", {})
        assert wrong(ask(target.address, good), Expected(200, SUBJECT)) == ""
        assert wrong(ask(target.address, bad), Expected(200, SUBJECT))
        body = tmp_path / "request.bin"
        body.write_bytes(framed(bad))
        with pytest.raises(Failed, match="not every reply is the right one"):
            h2load(target.address, body, len(ask(target.address, good)), 100, tmp_path)
    finally:
        target.stop()

"""What the Dockerfile promises."""

import re

from sidecar.config.schema.server import Telemetry

from .tree import text

IMAGE = text("Dockerfile")


def test_the_base_image_has_no_default() -> None:
    """Whoever builds names a digest; nothing unpinned is built by accident."""
    assert re.search(r"^ARG PYTHON_IMAGE$", IMAGE, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE)) == {"${PYTHON_IMAGE}"}


def test_it_runs_as_a_numeric_user_without_privileges() -> None:
    """Kubernetes can check runAsNonRoot of a number only."""
    users = re.findall(r"^USER (\d+):\d+$", IMAGE, re.MULTILINE)
    assert users
    assert all(int(user) for user in users)


def test_everything_installed_is_hashed() -> None:
    installs = re.findall(r"pip\S*(?: --python \S+)? install [^&\n]*", IMAGE)
    assert installs
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_the_health_check_asks_the_default_telemetry_listener() -> None:
    port = Telemetry.model_fields["listen"].default.rpartition(":")[2]
    assert f"http://127.0.0.1:{port}/livez" in IMAGE.partition("HEALTHCHECK")[2]

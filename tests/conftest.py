"""Which tests pytest-xdist keeps together on one worker; how property tests run."""

import re

import pytest
from hypothesis import settings

# How long an example takes says something about the machine, not about the code: speed has benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_TRANSPORT = re.compile(r"tests/envoy/.*\[.*\b((?:native|grpcio)-(?:tcp|uds))\b")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """End-to-end tests of one transport share a stack, so they share a worker; every other test goes wherever there is room.

    Written out, since the ``xdist_group`` mark has no effect with pytest 9.2 (pytest-xdist 3.8 puts the group into ``Item._nodeid``).
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only where pytest-xdist runs

    class ByTransport(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            found = _TRANSPORT.match(nodeid)
            return found[1] if found else nodeid

    return ByTransport(config, log)

"""The fault matrix: each row a test named by its number (``test_row_04_…``), on both fronts, with the invariants of every row.

Contract
--------

``front``
    The transport's name, ``native`` or ``grpcio``: every test that uses it, or one of the next two, runs on both.
``scene_of(**options)``
    Makes the files (``tests/fault/scene.py``): issuer ``scene.corp`` is the faulty one (``FaultyIssuer``: ``scene.corp.fail(says("<html>"))``
    and so on in ``tests/fault/faulty_issuer.py``), ``scene.partner`` the unrelated one, ``scene.api_key`` an API key. ``scene.start()``
    gives a ready ``Running`` (``tests/serve/site.py``), to be used as a context manager. Any ``tests.serve.site.Site`` does as well.
``watch(running, scene=None, *, kinds=None, asking=True, rss_limit=…, unaffected=True, alive=True, lag=True)``
    A context manager around what the row does. Meanwhile a thread sends, about 40 a second, good requests (kind ``good``), those of an
    unrelated issuer and of an API key (``other-…``) and bad ones (``bad-…``), each on its own; memory (with child processes) and the
    event loop's lag are sampled. ``asking=False`` leaves out the bad tokens that make the sidecar fetch keys. ``kinds`` replaces the
    probes (needed without a ``scene``): a function that returns headers, by kind. When it ends it asserts: no ``bad…`` was
    allowed, every ``other…`` was (unless ``unaffected=False``), the process lives and no secret is in records, log, /status, /metrics
    (unless ``alive=False``), memory and lag within bounds (``lag=False`` for rows that freeze or stop the process).
    Inside and after: ``watch.of("good", since, until)``, ``watch.statuses(...)`` with monotonic seconds; ``watch.secrets.append(...)``.
``figure(row, fault, expected, measured, watch=None, **over)``
    What goes into the table, once a test; ``over`` replaces ``wrongly_allowed``, ``rss_mb``, ``lag_p99_ms`` where there is no watch.
    A line is written when the test has ended, with its verdict, if the variable ``SIDECAR_FAULT_FIGURES`` names a file
    (``python -m campaigns.fault``). A test that fails before is a line too.

Every test here has the marker ``fault``. Mark those that take more than three seconds ``slow`` as well: ``make test`` leaves them out,
``make fault`` runs all.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.serve.site import Running

from . import figures
from .faulty_issuer import FaultyIssuer
from .invariants import Probe, Watch, probes
from .scene import Scene

HERE = Path(__file__).parent
_FIGURE = pytest.StashKey[figures.Figure]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark these tests; leave the long ones to those who ask for them by ``-m``."""
    here = [item for item in items if HERE in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.fault)
    chosen = re.search(r"\b(fault|slow)\b", config.getoption("markexpr"))
    if chosen is None and not figures.measuring():
        long = [item for item in here if item.get_closest_marker("slow")]
        items[:] = [item for item in items if item not in long]
        if long:
            config.hook.pytest_deselected(items=long)


@pytest.fixture(params=["native", "grpcio"])
def front(request: pytest.FixtureRequest) -> str:
    """Each front."""
    return request.param


@pytest.fixture
def corp() -> Iterator[FaultyIssuer]:
    """The issuer that a row breaks."""
    with FaultyIssuer() as issuer:
        yield issuer


@pytest.fixture
def partner() -> Iterator[FaultyIssuer]:
    """The issuer that no row breaks."""
    with FaultyIssuer("EdDSA") as issuer:
        yield issuer


@pytest.fixture
def scene_of(tmp_path: Path, front: str, corp: FaultyIssuer, partner: FaultyIssuer) -> Callable[..., Scene]:
    """Make the scene with these options."""
    return lambda **options: Scene(tmp_path, front, corp, partner, **options)


@pytest.fixture
def watch(tmp_path: Path) -> Callable[..., Watch]:
    """Watch a running sidecar; see the module's text."""

    def make(
        running: Running, scene: Scene | None = None, *, kinds: Mapping[str, Probe] | None = None, asking: bool = True, **options: Any
    ) -> Watch:
        if kinds is None:
            assert scene is not None, "give a scene or the kinds of probes"
            kinds = probes(scene, asking=asking)
        return Watch(running, kinds, tmp_path, **options)

    return make


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Take the row's line of the table; see the module's text."""

    def take(row: int, fault: str, expected: str, measured: str, watch: Watch | None = None, **over: Any) -> None:
        assert f"test_row_{row:02}_" in request.node.name, "a row's test is named by its number"
        values: dict[str, Any] = {"wrongly_allowed": None, "rss_mb": None, "lag_p99_ms": None}
        if watch is not None:
            values = {
                "wrongly_allowed": len(watch.wrongly_allowed),
                "rss_mb": round(watch.rss / 1e6, 1),
                "lag_p99_ms": None if watch.lag_p99 != watch.lag_p99 else round(watch.lag_p99 * 1000, 1),
            }
        where = front_of(request.node)
        request.node.stash[_FIGURE] = figures.Figure(
            row=row, fault=fault, expected=expected, front=where, measured=measured, **{**values, **over}
        )

    return take


def front_of(item: pytest.Item) -> str:
    """The front in a test's parameters."""
    found = re.search(r"native|grpcio", item.name.partition("[")[2])
    return found[0] if found else "core"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Write the line of a finished test."""
    report = yield
    if HERE in item.path.parents and (report.when == "call" or report.failed):
        verdict = "known gap" if hasattr(report, "wasxfail") and report.skipped else report.outcome
        why = str(call.excinfo.value).partition("\n")[0][:200] if call.excinfo is not None and report.failed else ""
        figures.write(item.stash.get(_FIGURE, None), item.name, verdict, why)
    return report

"""Whatever stands where in a document that names Envoy's messages: findings, never a crash, and no value of it."""

import copy
import random
import time
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.doctor.envoy.check import check_envoy
from sidecar.app.doctor.envoy.tree import Node
from sidecar.app.doctor.findings import Findings
from sidecar.config.marks import NULL, Mark
from tests.support.envoy_config import Parts, expected, of_document

CANARY = "c4n4ry-of-this-test"
STRANGE: list[Any] = [
    None,
    NULL,
    True,
    False,
    0,
    -1,
    2,
    1e308,
    "",
    CANARY,
    "0.25s",
    "1" * 400,
    [],
    [CANARY],
    {},
    {"a": CANARY},
    [[[]]],
    [{}],
]
IMPORTANT = ("@type", "name", "cluster_name", "path", "address")


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        here = waiting.pop()
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        found += [(here, key) for key in keys]
        waiting += [here[key] for key in keys if isinstance(here[key], dict | list)]
    return found


def rich() -> Any:
    """The shipped configuration with every field that the doctor reads, so that all can be replaced."""
    parts = Parts()
    parts.filter.update(
        filter_enabled={"default_value": {"numerator": 50, "denominator": "HUNDRED"}, "runtime_key": "x"},
        filter_enabled_metadata={"filter": "x"},
        deny_at_disable={"default_value": False},
        allowed_headers={"patterns": [{"exact": "a", "ignore_case": True}, {"safe_regex": {"regex": "b"}}]},
        with_request_body={"max_request_bytes": 10},
        decoder_header_mutation_rules={"disallow_all": True},
    )
    parts.service["retry_policy"] = {}
    parts.manager.update(upgrade_configs=[{"upgrade_type": "websocket", "filters": []}], skip_xff_append=False)
    parts.cluster["transport_socket"] = {"typed_config": {"common_tls_context": {"validation_context": {}}}}
    parts.document["node"] = {"user_agent_build_version": {"version": {"major_number": 1, "minor_number": 40}}}
    del parts.manager["access_log"]
    parts.move_to("10.0.0.1")
    return parts.document


@pytest.mark.parametrize("seed", range(5))
def test_strange_values_are_no_crash_and_are_not_shown(seed: int) -> None:
    """In memory: the reader has tests of its own."""
    choose = random.Random(seed)
    side = expected(client_address={"trusted_hops": 1, "from": ["10.0.0.0/8"]})
    for _ in range(100):
        document = copy.deepcopy(rich())
        every = [place for place in places(document) if place[1] not in IMPORTANT or choose.random() < 0.1]
        for container, key in choose.sample(every, choose.randint(1, 4)):
            container[key] = copy.deepcopy(choose.choice(STRANGE))
        findings = Findings()
        check_envoy(Node(document, Mark("envoy.yaml", 1)), side, findings)
        assert findings.all
        shown = [finding for finding in findings.all if CANARY in repr(finding)]
        assert all(finding.check in {"envoy.cluster", "envoy.upgrades"} for finding in shown), "names may be shown, values not"


def test_every_field_is_replaced_by_strange_values() -> None:
    for number in range(len(places(rich()))):
        for value in (STRANGE[number % len(STRANGE)], STRANGE[number * 7 % len(STRANGE)]):
            document = rich()
            container, key = places(document)[number]
            container[key] = copy.deepcopy(value)
            check_envoy(Node(document, Mark("envoy.yaml", 1)), expected(), Findings())


def test_a_large_dump_takes_seconds(tmp_path: Path) -> None:
    """A few hundred listeners, as a mesh's dump may have: the work grows with the size alone."""
    parts = Parts()
    listeners = parts.document["static_resources"]["listeners"]
    listeners += [copy.deepcopy(listeners[0]) for _ in range(300)]
    started = time.monotonic()
    findings = of_document(tmp_path, parts.document, expected())
    assert time.monotonic() - started < 30
    assert [finding.check for finding in findings].count("envoy.filter") == 301

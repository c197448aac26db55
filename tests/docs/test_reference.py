"""The reference pages that people write agree with the code."""

import re

from sidecar.adapters.records import Record
from sidecar.config.schema.answers import DYNAMIC_METADATA, SOURCES
from sidecar.model.reason import ALLOWING, Reason
from sidecar.wire.status import grpc_status
from tests.project.tree import files, python_files, text

CODE = re.compile(r"`([a-z_0-9-]+)`")


def first_cells(page: str) -> set[str]:
    """Every name in code font in the first cell of a table's line."""
    return {name for line in text(page).splitlines() if line.startswith("| ") for name in CODE.findall(line.split("|")[1])}


def test_each_field_of_a_record_is_explained() -> None:
    assert first_cells("docs/reference/records.md") == set(Record.__struct_fields__)


def test_each_metric_is_explained() -> None:
    source = text("sidecar/adapters/metrics.py")
    exposed = {f"sidecar_{name}" for name in re.findall(r'_(?:family|head|histogram)\("(\w+)"', source)}
    assert exposed
    assert first_cells("docs/reference/metrics.md") == exposed


def test_each_field_of_status_is_explained() -> None:
    source = text("sidecar/app/status.py")
    fields = set(re.findall(r'"([a-z_]+)":', source.partition("def _reload")[0]))
    assert fields
    assert fields <= set(CODE.findall(text("docs/reference/status.md")))


def test_each_source_and_metadata_field_is_explained() -> None:
    assert set(SOURCES) | set(DYNAMIC_METADATA) <= first_cells("docs/reference/headers.md")


def test_grpc_statuses_are_those_sent() -> None:
    page = text("docs/reference/headers.md")
    shown = {int(http): int(grpc) for http, grpc in re.findall(r"^\| (\d{3}) \| (\d+) [A-Z_]+ \|$", page, re.MULTILINE)}
    assert set(shown) >= {reason.status for reason in Reason if reason not in ALLOWING}
    assert all(grpc_status(http) == code for http, code in shown.items())


def test_reasons_of_the_how_to_exist() -> None:
    table = text("docs/how-to/read-a-denial.md").partition("## 3.")[2]
    named = {name for line in table.splitlines() if line.startswith("| `") for name in CODE.findall(line.split("|")[1])}
    assert named
    assert named <= {str(reason) for reason in Reason}


def test_pages_that_the_code_points_to_exist() -> None:
    present = set(files())
    named = {page for name in python_files() for page in re.findall(r"docs/[\w/-]+\.md", text(name))}
    assert {page for page in named if page not in present} == set()

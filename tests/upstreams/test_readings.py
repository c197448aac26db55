"""What docs/explanation/paths.md says about upstreams, asked of the upstreams themselves."""

import re
from collections.abc import Iterator

import pytest

from tests.project.tree import text
from tests.servers.client import send
from tools import setup_upstreams

from .programs import PROGRAMS, Program, Upstream

PAGE = "docs/explanation/paths.md"
ROW = re.compile(r"^\| `(?P<path>/[^`]*)`[^|]*\| (?P<cells>(?:(?:yes|no|redirect) \| ){5}(?:yes|no|redirect)) \|$", re.MULTILINE)
SAID = [(match["path"], match["cells"].split(" | ")) for match in ROW.finditer(text(PAGE))]


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda program: program.name)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Upstream]]:
    setup_upstreams.main()
    upstream = Upstream(request.param, tmp_path_factory.mktemp("upstream"))
    yield request.param, upstream
    upstream.stop()


def reading(upstream: Upstream, path: str) -> str:
    """Whether a protected handler ran."""
    reply = send(upstream.port, path)
    if 300 <= reply.status < 400:
        return "redirect"
    return "yes" if (reply.get("x-handler") or reply.body.decode()).startswith("protected:") else "no"


def test_the_page_tells_upstreams_apart() -> None:
    assert len(SAID) == 10
    columns = list(zip(*(cells for _, cells in SAID), strict=True))
    assert len(set(columns)) == len(PROGRAMS)


def test_upstreams_read_paths_as_the_page_says(asked: tuple[Program, Upstream]) -> None:
    program, upstream = asked
    column = PROGRAMS.index(program)
    assert {path: reading(upstream, path) for path, _ in SAID} == {path: cells[column] for path, cells in SAID}

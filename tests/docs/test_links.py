"""Links between pages lead somewhere."""

import re
from pathlib import PurePosixPath

import pytest

from tests.project.tree import ROOT, text

from .pages import FENCE, pages, prose

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
ANCHOR = re.compile(r'<a id="([^"]+)"')


def anchors(page: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings, and those it sets itself."""
    content = FENCE.sub("", text(page))
    made = {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in HEADING.findall(content)}
    return made | set(ANCHOR.findall(content))


def broken(page: str) -> list[str]:
    """The links of a page that lead nowhere."""
    wrong = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (ROOT / PurePosixPath(page).parent / target).resolve() if target else ROOT / page
        inside = path.is_relative_to(ROOT) and path.exists()
        if not inside or (anchor and path.suffix == ".md" and anchor not in anchors(str(path.relative_to(ROOT)))):
            wrong.append(link)
    return wrong


def test_links_resolve() -> None:
    assert {page: wrong for page in pages() if (wrong := broken(page))} == {}


def test_every_page_under_docs_is_linked_from_another() -> None:
    linked = set()
    for page in pages():
        for link in LINK.findall(prose(page)):
            target = (ROOT / PurePosixPath(page).parent / link.partition("#")[0]).resolve()
            linked.add(str(target))
    orphans = [page for page in pages() if page.startswith("docs/") and str(ROOT / page) not in linked]
    assert orphans == []


@pytest.mark.parametrize(("heading", "anchor"), [("Read `rule`, then act", "read-rule-then-act"), ("What counts", "what-counts")])
def test_anchors_are_made_as_github_makes_them(heading: str, anchor: str) -> None:
    assert re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") == anchor

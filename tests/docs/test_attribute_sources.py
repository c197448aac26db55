"""The sources that the page shows are valid beside its whole configuration."""

from sidecar.config.files import ConfigFiles
from sidecar.config.load import load
from sidecar.model.settings import FileAttribute, HttpAttribute, StaticAttribute

from .pages import blocks

PAGE = "docs/how-to/attribute-sources.md"


def test_every_source_of_the_page() -> None:
    texts = [block.text for block in blocks("yaml") if block.page == PAGE]
    parts = [text if "version: 1\n" in text else f"version: 1\n{text}" for text in texts]
    files = tuple((f"{number}.yaml", text.encode()) for number, text in enumerate(parts))
    made = load(ConfigFiles(path="conf", base="/conf", is_directory=True, files=files), frozenset(), with_files=False).settings.attributes
    kinds = {name: type(source.source) for name, source in made.items()}
    assert kinds == {"post-owner": HttpAttribute, "clearance": HttpAttribute, "classes": FileAttribute, "tier": StaticAttribute}

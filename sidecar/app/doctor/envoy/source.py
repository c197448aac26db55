"""Reads Envoy's configuration: a YAML or JSON file, standard input, or its admin interface's /config_dump."""

import asyncio
import sys
from collections.abc import Iterator

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.fetch import HttpxFetcher
from sidecar.adapters.fetch_words import url_words
from sidecar.adapters.files import read_bounded
from sidecar.config.yaml_reader import read_yaml
from sidecar.model.errors import SourceError
from sidecar.ports import FetchError

from .tree import Node

MAX_BYTES = 64 * 1024 * 1024
TIMEOUT = 10.0
LISTENERS_DUMP = "envoy.admin.v3.ListenersConfigDump"
BOOTSTRAP_DUMP = "envoy.admin.v3.BootstrapConfigDump"
_HOW = "give a bootstrap file, or the output of its admin interface's /config_dump"


def read_envoy(source: str) -> Node:
    """Read ``source``: a path, ``-`` for standard input, or the http URL of Envoy's admin interface.

    JSON is read as YAML, which it is a part of, so that both have lines.

    Raises:
        SourceError: one sentence that names the source; nothing of its content.
    """
    name, content = _content(source)
    document = read_yaml(name, content)
    if document.problems:
        raise SourceError(f"{_first(document.problems[0].where.line, name, document.problems[0].message)}; {_HOW}")
    root = Node(document.value, document.mark)
    if not isinstance(document.value, dict):
        raise SourceError(f"{name}: is no Envoy configuration; {_HOW}")
    if root.get("kind").text and root.get("apiVersion").text:
        raise SourceError(f"{name}: is a Kubernetes manifest ({root.get('kind').text}), only a part of what Envoy runs with; {_HOW}")
    if not (root.get("static_resources").there or any(node.type.startswith("envoy.") for node in root.walk())):
        raise SourceError(f"{name}: is no Envoy configuration: it has no static_resources and names no message of Envoy's; {_HOW}")
    return root


def parts_in_use(root: Node) -> Iterator[Node]:
    """Every map of the configuration, once: a config_dump repeats the static resources of its bootstrap."""
    every = list(root.walk())
    repeated = tuple(node.get("bootstrap", "static_resources").path for node in every if node.type == BOOTSTRAP_DUMP)
    if not any(node.type == LISTENERS_DUMP for node in every):
        repeated = ()
    for node in every:
        if not any(node.path[: len(path)] == path for path in repeated):
            yield node


def _content(source: str) -> tuple[str, bytes]:
    if source == "-":
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise SourceError(f"standard input: larger than {MAX_BYTES} bytes")
        return "standard input", content
    if not source.startswith(("http://", "https://")):
        return source, read_bounded(source, MAX_BYTES)
    url = source if "/config_dump" in source else source.rstrip("/") + "/config_dump?include_eds"
    fetcher = HttpxFetcher(SystemClock())
    try:
        return url_words(url), asyncio.run(fetcher.get(url, ca_file=None, max_bytes=MAX_BYTES, timeout=TIMEOUT)).body
    except FetchError as error:
        raise SourceError(f"Envoy's admin interface: {error}") from None


def _first(line: int, name: str, message: str) -> str:
    place = f"{name}:{line}" if line else name
    return f"{place}: {message}"

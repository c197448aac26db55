"""Pairs moved, both sides alike, to what exists here: direct peers to 127.0.0.0/8, ports to those that Envoy listens on."""

from dataclasses import replace
from typing import Any

from .pairs import Pair

FIELDS = {"ipBlocks": "address", "notIpBlocks": "address", "ports": "port", "notPorts": "port", "destinationPort": "port"}
KEYS = {"source.ip": "address", "destination.port": "port"}


def at_hand(pair: Pair, ports: tuple[int, ...]) -> Pair:
    """Move a pair; ``ports``: the first two take the place of its own."""
    documents = tuple(_moved(one, "", ports) for one in pair.documents)
    return replace(pair, documents=documents, filters=tuple(_moved(one, "", ports) for one in pair.filters))


def _moved(value: Any, inside: str, ports: tuple[int, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _moved(one, _inside(value, key, inside), ports) for key, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, inside, ports) for one in value]
    if inside == "address" and isinstance(value, str):
        return f"127.{value.partition('.')[2]}"
    if inside == "port" and isinstance(value, int | str):
        number = int(value)
        return type(value)(ports[(number // 10 + number) % 2])
    return value


def _inside(parent: dict[str, Any], key: str, inside: str) -> str:
    """What a value is that stands at ``key`` of ``parent``."""
    if inside == "directRemoteIp" and key == "addressPrefix":
        return "address"
    if key in {"values", "notValues"}:
        return KEYS.get(parent.get("key", ""), "")
    return key if key == "directRemoteIp" else FIELDS.get(key, "")

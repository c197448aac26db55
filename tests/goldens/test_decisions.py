"""Decisions and their records, word for word: what Envoy is told of each request, and the line that is written of it.

Each file starts with its configuration; then come the cases: a request, ``>>>``, and what becomes of it. The request is
a line ``METHOD https://host/path`` and header lines (``BODY`` in place of a name: the body, as Envoy sends it whole), where ``<token …>``, ``<forged …>``, ``<other …>`` and
``<key NAME>`` stand for credentials (the text behind them, in JSON, changes the claims). ``BYTES hex`` is a message as
it stands. ``python -m tests.goldens.test_decisions`` writes the file anew; read the difference before you keep it.
"""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from google.protobuf.json_format import MessageToDict

from sidecar.adapters.records import RecordWriter
from sidecar.config.yaml_reader import read_yaml
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest, CheckResponse, HeaderValueOption
from tests.support.tokens import WALL, claims, jwks, mint, shared_key
from tests.support.world import OTHER, World, key_entry

FILES = ("decisions.txt", "policies.txt")
CONFIGURATION = "configuration"
MASKED = ("time", "decision_id", "revision", "duration_us")
"""Of a record: what depends on when and where it was made (the revision, on keys that each run makes anew)."""
KEYS: dict[str, dict[str, Any]] = {
    "live": {"roles": ("viewer",), "metadata": {"plan": "gold"}},
    "revoked": {"roles": ("viewer",), "revoked": True},
    "expired": {"roles": ("viewer",), "expires_at": WALL},
    "elsewhere": {"roles": ("viewer",), "routes": ("me",)},
    "far": {"roles": ("viewer",), "cidrs": ("192.0.2.0/24",)},
    "powerless": {},
}
SIGNERS = {"token": shared_key("RS256"), "forged": shared_key("RS256", number=2), "other": shared_key("RS256", number=1)}
_CREDENTIAL = re.compile(r"<(token|forged|other|key)(?: ([^>]+))?>")
_MODES = ("header_map", "headers")


class Case(NamedTuple):
    file: str
    name: str
    request: str
    expected: str


@cache
def golden(file: str) -> tuple[str, tuple[Case, ...]]:
    """The configuration and the cases of a file."""
    blocks = [block.partition("\n") for block in Path(__file__).with_name(file).read_text().split("### ")[1:]]
    (first, _, configuration), *rest = blocks
    assert first == CONFIGURATION
    return configuration, tuple(Case(file, name, *text.partition(">>>\n")[::2]) for name, _, text in rest)


ALL = [case for file in FILES for case in golden(file)[1]]


@cache
def config(file: str) -> dict[str, Any]:
    """The configuration with the keys of this run."""
    document = read_yaml("sidecar.yaml", golden(file)[0].encode()).value
    document["issuers"]["corp"]["keys"] = {"inline": json.loads(jwks(SIGNERS["token"]))}
    document["issuers"]["partner"]["keys"] = {"inline": json.loads(jwks(SIGNERS["other"]))}
    return document


def api_key(name: str) -> str:
    return f"sk_{name.ljust(40, '0')}"


@cache
def credential(kind: str, text: str) -> str:
    if kind == "key":
        return api_key(text)
    issuer = {"iss": OTHER} if kind == "other" else {}
    return mint(SIGNERS[kind], claims(**issuer, **json.loads(text or "{}")))


def payload(text: str, mode: str) -> bytes:
    """The CheckRequest that a case describes, with raw or with merged headers."""
    first, *lines = text.strip().splitlines()
    method, _, target = first.partition(" ")
    if method == "BYTES":
        return bytes.fromhex(target)
    message = CheckRequest()
    message.attributes.source.address.socket_address.address = "10.0.0.9"
    if method == "TCP":
        return message.SerializeToString()
    http = message.attributes.request.http
    url = urlsplit(target)
    http.method, http.host, http.id = method, url.netloc, "id-1"
    http.path = target.removeprefix(f"https://{url.netloc}")
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "BODY":
            http.raw_body, name, value = value.encode(), "x-envoy-auth-partial-body", "false"
        value = _CREDENTIAL.sub(lambda found: credential(found[1], found[2] or ""), value)
        if mode == "header_map":
            http.header_map.headers.add(key=name, raw_value=value.encode())
        else:
            http.headers[name] = f"{http.headers[name]},{value}" if name in http.headers else value
    return message.SerializeToString()


def shown(answer: CheckResponse) -> Iterator[str]:
    """What Envoy is told, a line for each thing."""
    ok, denied = answer.ok_response, answer.denied_response
    yield "allow" if answer.status.code == 0 else f"deny {denied.status.code}, gRPC {answer.status.code}"
    yield from _headers("upstream", ok.headers)
    yield from (f"upstream without {name}" for name in sorted(ok.headers_to_remove))
    yield from (f"upstream without ?{name}" for name in sorted(ok.query_parameters_to_remove))
    yield from _headers("downstream", [*ok.response_headers_to_add, *denied.headers])
    if denied.body:
        yield f"body {denied.body}"
    yield f"metadata {json.dumps(MessageToDict(answer.dynamic_metadata), sort_keys=True)}"


def _headers(direction: str, options: Any) -> Iterator[str]:
    actions = HeaderValueOption.HeaderAppendAction
    for option in options:
        added = "" if option.append_action == actions.OVERWRITE_IF_EXISTS_OR_ADD else " (added)"
        yield f"{direction} {option.header.key}: {option.header.value}{added}"


def outcomes(file: str, mode: str) -> dict[str, str]:
    """By name: what becomes of each case, with the line that the real writer makes of it. Each has a world of its own."""
    reading, writing = os.pipe()
    writer = RecordWriter(writing)
    keys = tuple(key_entry(api_key(name), id=name, owner=f"{name}-owner", **{"roles": (), **rest}) for name, rest in KEYS.items())
    answers = {case.name: World(config(file), keys, sink=writer).answer(payload(case.request, mode)) for case in golden(file)[1]}
    assert writer.close(10)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        records = [json.loads(line) for line in pipe]
    told: dict[str, str] = {}
    for (name, answer), record in zip(answers.items(), records, strict=True):
        text = "".join(f"{line}\n" for line in shown(answer)).replace(record["decision_id"], "*")
        told[name] = text + f"record {json.dumps({**record, **dict.fromkeys(MASKED, '*')})}\n"
    return told


@pytest.fixture(scope="module", params=_MODES)
def told(request: pytest.FixtureRequest) -> dict[tuple[str, str], str]:
    """Of either way in which Envoy gives headers: it must make no difference."""
    return {(file, name): text for file in FILES for name, text in outcomes(file, request.param).items()}


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_decisions(told: dict[tuple[str, str], str], case: Case) -> None:
    """Security rules 8, 17 and 22: what the caller, the upstream, Envoy's log and the record get to know."""
    assert told[case.file, case.name] == case.expected


def test_no_credential_is_told(told: dict[tuple[str, str], str]) -> None:
    """Security rule 22."""
    secrets = [found for case in ALL for found in _CREDENTIAL.findall(case.request)]
    assert secrets
    for kind, text in secrets:
        assert not [name for name, lines in told.items() if credential(kind, text).rpartition(".")[2] in lines]


def update() -> None:
    for file in FILES:
        told, (configuration, cases) = outcomes(file, "header_map"), golden(file)
        blocks = [f"### {CONFIGURATION}\n{configuration}"]
        blocks += [f"### {case.name}\n{case.request}>>>\n{told[case.name]}" for case in cases]
        Path(__file__).with_name(file).write_text("".join(blocks))


if __name__ == "__main__":
    update()

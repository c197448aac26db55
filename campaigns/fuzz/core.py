"""The real core in memory, and what Envoy would make of its answers."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sidecar.config.keyfile import parse_key_file
from sidecar.model.decision import Deny
from sidecar.model.key_entry import KeyEntry
from sidecar.wire._gen.ext_authz_pb2 import CheckRequest, CheckResponse
from tests.reference.credentials import query_pairs
from tests.reference.request import Request, Verdict
from tests.reference.upstream import normal
from tests.support.tokens import WALL
from tests.support.world import PEPPER, World, allowed, build_table

Keys = Mapping[str, Sequence[Mapping[str, Any]]]
OVERWRITE = 2


class Core(World):
    """A world whose key stores have entries of their own."""

    def __init__(self, config: Mapping[str, Any], keys: Keys) -> None:
        self.files: Keys = keys
        super().__init__(config)

    def reload(self, config: Mapping[str, Any], keys: Keys) -> None:
        """Replace configuration and key files, as an edit while serving does. Raises ConfigError or SourceError."""
        before, self.files = self.files, keys
        try:
            self.load(config, ())
        except Exception:
            self.files = before
            raise

    def set_keys(self, *_: KeyEntry) -> None:
        """Read the key file of every store."""
        for name, store in self.tables.api_keys.items():
            text = json.dumps({"keys": list(self.files.get(name, ()))}).encode()
            entries, problems = parse_key_file("keys.yaml", text, ["p"])
            assert not problems, problems
            store.current = build_table(entries, store=name, peppers={"p": PEPPER}, wall=self.clock.wall)

    def move(self, seconds: float) -> None:
        self.clock.wall += seconds
        self.clock.seconds += seconds

    def at(self, now: float) -> None:
        self.move(now - self.clock.wall)

    def ask(self, request: Request, message: bytes) -> Verdict:
        """Return what came of a request, in the reference's words."""
        self.sink.decisions.clear()
        self.sink.facts.clear()
        response = self.answer(message)
        decision = self.sink.decisions[-1]
        reason = decision.reason.value
        if isinstance(decision, Deny) or not allowed(response):
            assert not allowed(response), f"an answer that allows beside the record of {reason}"
            return Verdict(reason, response.denied_response.status.code, decision.route, told=told(response))
        assert response.WhichOneof("http_response") == "ok_response", "an allow without ok_response"
        present = {name for name, _ in query_pairs(request.path)}
        removed = frozenset(response.ok_response.query_parameters_to_remove) & present
        return Verdict(reason, 200, decision.route, apply(request, response), removed, decision.principal.identity.subject)


def told(response: CheckResponse) -> frozenset[str]:
    """Return what the client's headers say of a denial, in the reference's words."""
    said = set()
    for option in response.denied_response.headers:
        name, value = option.header.key.lower(), option.header.value
        if name == "cache-control":
            said.add(value)
        elif name == "allow":
            said |= {f"allow {method}" for method in value.split(", ")}
        elif name == "grpc-status":
            said.add(f"grpc-status {value}")
        elif name == "www-authenticate":
            said |= {"challenge", *(f"error {word}" for word in re.findall('error="([^"]*)"', value))}
    return frozenset(said)


def apply(request: Request, response: CheckResponse) -> tuple[tuple[str, str], ...]:
    """Return the header lines that the upstream sees after Envoy applied an allow: set first, remove last."""
    answer = response.ok_response
    lines = list(request.headers)
    names = [option.header.key for option in answer.headers]
    assert len(set(names)) == len(names), f"one header is set twice: {names}"
    assert not set(names) & set(answer.headers_to_remove), "a header is both set and removed"
    for option in answer.headers:
        assert option.append_action == OVERWRITE, f"{option.header.key} does not overwrite"
        assert not option.HasField("append"), f"{option.header.key} has append set"
        lines = [line for line in lines if line[0] != option.header.key] + [(option.header.key, option.header.value)]
    gone = set(answer.headers_to_remove)
    return normal([line for line in lines if line[0] not in gone])


def encode(request: Request) -> bytes:
    """Serialise the check that Envoy would send."""
    message = CheckRequest()
    message.attributes.source.address.socket_address.address = request.source_ip
    message.attributes.context_extensions.update(request.context)
    http = message.attributes.request.http
    http.method, http.path, http.host, http.id = request.method, request.path, request.host, "id-1"
    if not request.raw:
        http.headers.update(request.headers)
        return message.SerializeToString()
    http.header_map.SetInParent()
    for name, value in request.headers:
        http.header_map.headers.add(key=name, raw_value=value.encode())
    return message.SerializeToString()


START = WALL

"""An import of policies, and the engine deciding under it."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

from sidecar.app.istio.documents import read_resources
from sidecar.app.istio.findings import Kind
from sidecar.app.istio.scope import Wishes
from sidecar.app.istio.translate import SPELLING, Imported, translate
from sidecar.authn.key_source import read_keys
from sidecar.authn.keytable import ALWAYS, KeyTable
from sidecar.config.files import ConfigFiles
from sidecar.config.load import load
from sidecar.engine.check import Engine
from sidecar.engine.compile import compile_snapshot
from sidecar.engine.snapshot import LiveTables
from sidecar.model.ask import RefreshResult, Verify
from sidecar.model.decision import Allow, Decision
from sidecar.model.instant import Instant
from sidecar.model.meter import Meter
from sidecar.model.settings import InlineKeys
from sidecar.model.steps import to_end
from tests.support.inputs import make_input
from tests.support.tokens import claims, jwks, mint, shared_key

from .requests import AUDIENCE, ISSUER, Request

LABELS = {"app": "httpbin", "version": "v1"}
"""Of the workload that Istio's own test generates for."""
REFUSALS = frozenset({"ambiguous_path", "ambiguous_host", "malformed_request"})
HOLES = frozenset({Kind.BLOCKING, Kind.DENIED, Kind.LEFT_OUT})


def authentication(requests: Iterable[Request]) -> dict[str, Any]:
    """A RequestAuthentication for every issuer and audience that the requests' tokens have."""
    tokens = [one.claims for one in requests if one.claims is not None]
    issuers = sorted({ISSUER, *(one["iss"] for one in tokens)})
    audiences = {AUDIENCE}
    for one in tokens:
        audiences.update([one["aud"]] if isinstance(one["aud"], str) else one["aud"])
    keys = jwks(shared_key("ES256")).decode()
    rules = [{"issuer": one, "audiences": sorted(audiences), "jwks": keys, "forwardOriginalToken": True} for one in issuers]
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "jwt", "namespace": "foo"},
        "spec": {"jwtRules": rules},
    }


def token(one: dict[str, Any]) -> str:
    """A token with these claims, good for an hour."""
    now = int(time.time())
    return mint(shared_key("ES256"), claims(**{"iat": now, "exp": now + 3600, **one}))


def imported(documents: Sequence[dict[str, Any]], wishes: Wishes) -> Imported:
    """Translate documents, as text that was read."""
    text = "\n---\n".join(json.dumps(one, indent=1) for one in documents)
    return translate(read_resources([("policies.yaml", text.encode())]), wishes)


def holes(found: Imported) -> tuple[str, ...]:
    """What could not be carried over, without the places."""
    return tuple(sorted({finding.message for finding in found.findings if finding.kind in HOLES}))


@dataclass(frozen=True, slots=True)
class Verdict:
    """``refused``: the request itself was refused, since its path, host or headers have no single meaning."""

    allowed: bool
    refused: bool
    reason: str


class Ours:
    """The engine with an imported configuration."""

    def __init__(self, text: str) -> None:
        """Load and compile the text of a configuration."""
        files = ConfigFiles(path="sidecar.yaml", base="/", is_directory=False, files=(("sidecar.yaml", text.encode()),))
        settings = load(files, frozenset(), with_files=False).settings
        tables = {name: KeyTable() for name in settings.issuers}
        for name, issuer in settings.issuers.items():
            if isinstance(issuer.keys, InlineKeys):
                tables[name].replace(to_end(read_keys(issuer, issuer.keys.document.encode())), ALWAYS)
        live = LiveTables(keys=tables, api_keys={})
        self._snapshot = to_end(compile_snapshot(settings, files.revision, live, Meter()))
        self._engine = Engine(Meter())

    def decide(self, request: Request, bearer: str) -> Verdict:
        """Decide a request as Envoy would send it, with raw headers and pseudo-headers."""
        headers = [
            (":method", request.method),
            (":path", request.path),
            (":authority", request.host),
            ("x-forwarded-for", request.forwarded),
        ]
        headers += [(name.lower(), value) for name, value in request.headers]
        headers += [("authorization", f"Bearer {bearer}")] if bearer else []
        check = make_input(request.method, request.path, request.host, headers, request.source)
        decision = self._run(self._engine.check(check, self._snapshot, Instant(time.time(), time.monotonic())))
        reason = str(decision.reason)
        refused = reason in REFUSALS or decision.rule == f"policies.{SPELLING}"
        return Verdict(isinstance(decision, Allow), refused, reason)

    @staticmethod
    def _run(steps: Any) -> Decision:
        if not isinstance(steps, GeneratorType):
            return steps
        answer: object = None
        while True:
            try:
                ask = steps.send(answer)
            except StopIteration as done:
                return done.value
            answer = ask.run() if isinstance(ask, Verify) else RefreshResult.FRESH

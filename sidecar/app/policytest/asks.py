"""The requests of policy tests."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from sidecar.config.marks import KeyPath
from sidecar.config.schema.policytest import RequestSpec
from sidecar.model.errors import Problem

from .files import Source, Suite, hint_of_names, named

DEFAULT_HOST = "localhost"
DEFAULT_PEER = "127.0.0.1"
_TARGET = re.compile(r"(?P<method>\S+)\s+(?:https?://(?P<host>[^/?#\s]+))?(?P<path>[/?]\S*)?")
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")
_MERGED = ("query", "headers", "context")


class Request(NamedTuple):
    """One request as Envoy would ask about it, without a credential yet."""

    method: str
    host: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes | None
    source_ip: str
    context: Mapping[str, str]


class Requests:
    """Makes requests of what test files say. What is wrong goes to ``problems``; then there is no request."""

    def __init__(self, problems: list[Problem]) -> None:
        """Take the list that problems are noted in."""
        self._problems = problems

    def named(self, suite: Suite, text: str, at: KeyPath) -> Request | None:
        """Return the request of a name, or of a ``METHOD TARGET``."""
        return self.inline(suite, suite.source, RequestSpec(like=text), at)

    def inline(self, suite: Suite, source: Source, spec: RequestSpec, at: KeyPath) -> Request | None:
        """Return the request that ``spec``, which stands at ``at`` of ``source``, describes."""
        whole = self._whole(suite, source, spec, at, ())
        if whole is None:
            return None
        if whole.path is None:
            self._problems.append(source.problem(at, "has no path", "write path: /…, or METHOD TARGET"))
            return None
        host = next((one.tests.host for one in suite.sources if one.tests.host), DEFAULT_HOST)
        return _request(whole, host)

    def _whole(self, suite: Suite, source: Source, spec: RequestSpec, at: KeyPath, seen: tuple[str, ...]) -> RequestSpec | None:
        if spec.like is None:
            return spec
        place = (*at, "like") if source.mark.has((*at, "like")) else at
        below = named(suite.sources, "requests", spec.like)
        base: RequestSpec | None
        if below is not None and spec.like not in seen:
            path = ("requests", spec.like)
            base = self._whole(suite, below, below.tests.requests[spec.like], path, (*seen, spec.like))
        elif below is not None:
            self._problems.append(source.problem(place, f"goes round in a circle: {' → '.join([*seen, spec.like])}"))
            return None
        else:
            base = self._target(suite, source, spec.like, place)
        return None if base is None else _merged(base, spec)

    def _target(self, suite: Suite, source: Source, text: str, at: KeyPath) -> RequestSpec | None:
        found = _TARGET.fullmatch(text)
        if found is None:
            hint = hint_of_names(suite.sources, "requests", text)
            wrong = f"there is no request {text!r}" if " " not in text else f"{text!r} is neither a request's name nor METHOD TARGET"
            self._problems.append(
                source.problem(at, wrong, hint if " " not in text else "as in GET /posts or GET https://api.example.com/posts")
            )
            return None
        if not _METHOD.fullmatch(found["method"]):
            self._problems.append(source.problem(at, f"{found['method']!r} is not an HTTP method", "write it in capitals: GET"))
            return None
        path = found["path"] or "/"
        return RequestSpec(method=found["method"], host=found["host"], path=path if path[0] == "/" else f"/{path}")


def _merged(base: RequestSpec, spec: RequestSpec) -> RequestSpec:
    """Put what ``spec`` says over ``base``; headers, parameters and context name by name."""
    changes: dict[str, Any] = {name: getattr(spec, name) for name in spec.model_fields_set if name != "like"}
    for name in _MERGED:
        if name in changes:
            changes[name] = {**(getattr(base, name) or {}), **changes[name]}
    return base.model_copy(update={"like": None, **changes})


def _request(spec: RequestSpec, host: str) -> Request:
    headers = [(name, value) for name, values in (spec.headers or {}).items() for value in values]
    body = None if "body" not in spec.model_fields_set and spec.body is None else _body(spec.body)
    if body is not None and "content-type" not in (spec.headers or {}) and not isinstance(spec.body, str):
        headers.append(("content-type", "application/json"))
    return Request(
        method=spec.method or "GET",
        host=spec.host or host,
        path=with_query(spec.path or "/", [(name, value) for name, values in (spec.query or {}).items() for value in values]),
        headers=tuple(headers),
        body=body,
        source_ip=spec.source_ip or DEFAULT_PEER,
        context=spec.context or {},
    )


def _body(value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


def with_query(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Add query parameters, encoded."""
    if not pairs:
        return path
    added = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    return f"{path}{'&' if '?' in path else '?'}{added}"

"""What a denied client sees: RFC 9457 problem details, a page for browsers, one line for gRPC callers.

The words are coarse (``Reason.client``); which check failed stands in the record alone.
"""

import json
from html import escape

from sidecar.model.decision import Answer, Deny
from sidecar.model.reason import Reason
from sidecar.model.request import CheckInput, Headers

REALM = 'realm="api"'
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    503: "Service Unavailable",
}
_BAD_TOKEN = frozenset({Reason.INVALID_TOKEN, Reason.EXPIRED_TOKEN})


def answer(deny: Deny, request: CheckInput | None, decision_id: str) -> Answer:
    """Compose the HTTP answer to a denial; ``request`` is None when it could not be decoded."""
    headers = [("cache-control", "no-store")]
    headers.extend(("www-authenticate", challenge) for challenge in _challenges(deny))
    if deny.allowed_methods:
        headers.append(("allow", deny.allowed_methods))
    if deny.retry_after:
        headers.append(("retry-after", str(deny.retry_after)))
    content_type, body = _body(deny, request.headers if request is not None else None, decision_id)
    headers.append(("content-type", content_type))
    return Answer(deny.status, tuple(headers), body)


def is_grpc(headers: Headers) -> bool:
    """Tell whether the caller speaks gRPC (then Envoy puts the body into grpc-message)."""
    return (headers.get("content-type") or "").startswith("application/grpc")


def _challenges(deny: Deny) -> tuple[str, ...]:
    """RFC 6750 §3: no error code without a credential; error and scope where one was presented."""
    if deny.reason in _BAD_TOKEN:
        return _with_error(deny.challenges, 'error="invalid_token"')
    if deny.reason is Reason.INSUFFICIENT_SCOPE:
        return tuple(one for one in _with_error(deny.challenges, 'error="insufficient_scope"') if one.startswith("Bearer"))
    return deny.challenges if deny.status == Reason.MISSING_CREDENTIAL.status else ()


def _with_error(challenges: tuple[str, ...], error: str) -> tuple[str, ...]:
    return tuple(f"{one}, {error}" if one.startswith("Bearer") else one for one in challenges)


def _body(deny: Deny, headers: Headers | None, decision_id: str) -> tuple[str, str]:
    title = TITLES.get(deny.status, "Denied")
    word = deny.reason.client
    if headers is not None and is_grpc(headers):
        return "application/grpc", f"{word} (decision {decision_id})"
    if headers is not None and _is_browser(headers):
        page = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{deny.status} {escape(title)}</title>"
            f"<h1>{deny.status} {escape(title)}</h1><p>{escape(word)}</p><p><small>Decision {escape(decision_id)}</small></p></html>"
        )
        return "text/html; charset=utf-8", page
    problem = {"type": "about:blank", "title": title, "status": deny.status, "reason": word, "decision_id": decision_id}
    return "application/problem+json", json.dumps(problem, separators=(",", ":"))


def _is_browser(headers: Headers) -> bool:
    accept = headers.get("accept") or ""
    return "text/html" in accept and headers.get("sec-fetch-mode") in {None, "navigate"}

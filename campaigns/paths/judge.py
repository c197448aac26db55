"""What came of one request, and whether the upstream contradicted the sidecar."""

from enum import StrEnum

from .client import Answer

GRANTED = {b"users": frozenset({b"protected:users"})}
"""Protected handlers that a rule speaks about and the token of the campaign opens. No rule that is open to all grants any."""
FROM_UPSTREAM = b"x-envoy-upstream-service-time"


class Outcome(StrEnum):
    """One of these for each request."""

    REFUSED = "refused"
    """By Envoy or the sidecar as malformed or ambiguous, or the connection was closed."""
    DENIED = "denied"
    """By a rule, or since no rule was there."""
    SERVED = "served"
    """Let through, and the handler is one that the rule speaks about."""
    NOWHERE = "nowhere"
    """Let through; the upstream redirects, or has no handler."""
    WRONG = "wrong"
    """Let through to a handler that asks for more than the rule that let it through."""
    FAULT = "fault"
    """Nobody judged the path: the machine was too slow."""


def judge(answer: Answer) -> Outcome:
    """The outcome of one answer."""
    if FROM_UPSTREAM not in answer.headers:
        if answer.status in {401, 403}:
            return Outcome.DENIED
        return Outcome.FAULT if answer.status >= 500 else Outcome.REFUSED
    handler = answer.headers.get(b"x-handler") or answer.body
    if handler.startswith(b"protected:") and handler not in GRANTED.get(answer.headers.get(b"x-route", b""), frozenset()):
        return Outcome.WRONG
    if answer.status >= 500:
        return Outcome.FAULT if answer.headers.get(b"x-handler") is None and answer.status == 503 else Outcome.NOWHERE
    return Outcome.SERVED if handler.startswith((b"public:", b"protected:")) else Outcome.NOWHERE

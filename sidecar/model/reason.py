"""The closed set of reasons: every decision carries exactly one (``docs/reference/reasons.md``)."""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """Why a check was decided as it was.

    ``status`` is the HTTP status of a denial; ``client`` is the word that the caller sees, coarser than
    the reason where detail would help an attacker (RFC 8725 gives verifiers no duty to explain).
    """

    status: int
    client: str

    def __new__(cls, code: str, status: int, client: str = "") -> Self:
        """Make a member whose text is ``code``."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.status = status
        member.client = client or code
        return member

    # allow
    PERMITTED = "permitted", 200
    ANONYMOUS = "anonymous", 200
    PREFLIGHT = "preflight", 200
    # 400
    MALFORMED_REQUEST = "malformed_request", 400
    AMBIGUOUS_PATH = "ambiguous_path", 400
    AMBIGUOUS_HOST = "ambiguous_host", 400
    MULTIPLE_CREDENTIALS = "multiple_credentials", 400
    # 401
    MISSING_CREDENTIAL = "missing_credential", 401
    INVALID_TOKEN = "invalid_token", 401
    EXPIRED_TOKEN = "expired_token", 401, "invalid_token"
    # 403
    INVALID_API_KEY = "invalid_api_key", 403
    INSUFFICIENT_SCOPE = "insufficient_scope", 403
    INSUFFICIENT_PERMISSION = "insufficient_permission", 403
    POLICY_DENIED = "policy_denied", 403
    POLICY_NOT_SATISFIED = "policy_not_satisfied", 403
    NO_ROUTE = "no_route", 403, "forbidden"
    UNSAFE_IDENTITY = "unsafe_identity", 403, "forbidden"
    CREDENTIAL_NOT_ALLOWED_HERE = "credential_not_allowed_here", 403, "forbidden"
    # 405
    METHOD_NOT_ALLOWED = "method_not_allowed", 405
    # 503
    OVERLOADED = "overloaded", 503, "unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded", 503, "unavailable"
    KEYS_UNAVAILABLE = "keys_unavailable", 503, "unavailable"
    DEPENDENCY_UNAVAILABLE = "dependency_unavailable", 503, "unavailable"
    INTERNAL_ERROR = "internal_error", 503, "unavailable"
    NOT_READY = "not_ready", 503, "unavailable"


ALLOWING: frozenset[Reason] = frozenset({Reason.PERMITTED, Reason.ANONYMOUS, Reason.PREFLIGHT})
"""The only reasons that an allow may carry."""

"""HTTP status of a denial → gRPC status code, for callers that speak gRPC.

Envoy's own translation is poor (429 → UNAVAILABLE, 405 → UNKNOWN, 400 → INTERNAL); a ``grpc-status`` header in the
denial takes effect in its place. Codes: https://grpc.github.io/grpc/core/md_doc_statuscodes.html
"""

INVALID_ARGUMENT = 3
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
UNIMPLEMENTED = 12
UNAVAILABLE = 14
UNAUTHENTICATED = 16

_GRPC_CODES = {
    400: INVALID_ARGUMENT,
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    405: UNIMPLEMENTED,
    429: RESOURCE_EXHAUSTED,
    503: UNAVAILABLE,
}


def grpc_status(http_status: int) -> int:
    """Return the gRPC code for a denial's HTTP status; PERMISSION_DENIED, never 0 (OK), for one not in the table."""
    return _GRPC_CODES.get(http_status, PERMISSION_DENIED)

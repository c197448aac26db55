"""The constant answer of both no-ops: allow, four identity headers."""

from sidecar.wire._gen.ext_authz_pb2 import CheckResponse

HEADERS = {
    "x-user-id": "user_123",
    "x-user-email": "john@example.com",
    "x-user-roles": "admin,user",
    "x-user-permissions": "posts:read",
}


def answer() -> bytes:
    """Serialise the answer."""
    response = CheckResponse()
    for name, value in HEADERS.items():
        option = response.ok_response.headers.add()
        option.header.key, option.header.value = name, value
    return response.SerializeToString()

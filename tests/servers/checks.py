"""A plain check, as the tests that speak gRPC send it."""

from sidecar.wire._gen.ext_authz_pb2 import CheckRequest


def get_check(path: str = "/posts", **headers: str) -> CheckRequest:
    """Make a CheckRequest for a GET; header names with underscores for dashes."""
    request = CheckRequest()
    http = request.attributes.request.http
    http.method, http.path, http.host = "GET", path, "api.example.com"
    for name, value in headers.items():
        http.headers[name.replace("_", "-")] = value
    return request

"""The CheckRequests that are sent, and what their replies have to say. Envoy's own protobuf definitions, not the sidecar's."""

import struct
from dataclasses import dataclass
from http import HTTPStatus

import grpc
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse

METHOD = "/envoy.service.auth.v3.Authorization/Check"
HOST = "api.example.com"
HEADERS = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140 Safari/537.36",
    "accept": "application/json",
    "accept-encoding": "gzip, deflate, br",
    "x-request-id": "0b0c6f1e-51e0-4a68-94c4-0f3c6b1b5b10",
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-proto": "https",
    "cookie": "theme=dark; lang=en",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a right reply says: allow or the HTTP status of the denial; the subject told upstream."""

    status: int
    subject: str | None

    @property
    def decision(self) -> str:
        """How the metrics call it."""
        return "allow" if self.status == HTTPStatus.OK else "deny"


def request(path: str, credential: dict[str, str]) -> bytes:
    """A CheckRequest as the shipped Envoy sends it, headers raw and in order."""
    message = CheckRequest()
    message.attributes.source.address.socket_address.address = "10.0.0.1"
    http = message.attributes.request.http
    http.id, http.method, http.path, http.host, http.scheme, http.protocol = "1234567890123", "GET", path, HOST, "https", "HTTP/2"
    pseudo = {":authority": HOST, ":method": "GET", ":path": path, ":scheme": "https"}
    for name, value in {**pseudo, **HEADERS, **credential}.items():
        http.header_map.headers.add(key=name, raw_value=value.encode())
    return message.SerializeToString()


def framed(message: bytes) -> bytes:
    """The message with the prefix that gRPC puts before it on the wire: no compression, length."""
    return b"\0" + struct.pack(">I", len(message)) + message


def ask(address: str, message: bytes) -> bytes:
    """One call; return the reply's bytes."""
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary(METHOD, request_serializer=None, response_deserializer=None)
        reply: bytes = call(message, timeout=5)
    return reply


def wrong(reply: bytes, expected: Expected) -> str:
    """What is wrong with a reply, in words; empty when it is right."""
    response = CheckResponse.FromString(reply)
    status = 200 if response.status.code == 0 and response.HasField("ok_response") else response.denied_response.status.code
    if status != expected.status:
        return f"the reply means {status}, not {expected.status}"
    told = {option.header.key: option.header.value for option in response.ok_response.headers}
    if told.get("x-user-id") != expected.subject:
        return f"the upstream would be told x-user-id {told.get('x-user-id')!r}, not {expected.subject!r}"
    return ""

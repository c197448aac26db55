"""``server``, ``telemetry``, ``admin``: what listens where, and its bounds."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from sidecar.model.addresses import parse_listen

from .base import NonEmpty, Section, Unbuilt, bad, parsed, unbuilt, written
from .fields import Cidr, Duration, FilePath, Size, Word, duration_between, size_between

_MODE = re.compile(r"0?[0-7]{3}")


def _listen(text: str) -> str:
    if parse_listen(text) is None:
        raise bad("is not an address to listen on", "write 127.0.0.1:9191 or unix:///run/sidecar/check.sock")
    return text


def _tcp_listen(text: str) -> str:
    found = parse_listen(text)
    if found is None or found.kind != "tcp":
        raise bad("is not an address to listen on", "write host:port, such as 127.0.0.1:9192")
    return text


def _socket_mode(text: str) -> int:
    if not _MODE.fullmatch(text):
        raise bad("is not a file mode", "write three octal digits: 0660")
    mode = int(text, 8)
    if mode & 0o002:
        raise bad("lets every user of the machine connect", "leave out the last write bit: 0660")
    return mode


def _workers(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value > 1:
        raise bad("more than one worker is not built yet", "leave it at 1, and run more pods")
    return value


CheckListen = Annotated[str, parsed(_listen), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:9191"]})]
TcpListen = Annotated[str, parsed(_tcp_listen), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:9192"]})]
SocketMode = Annotated[int, parsed(_socket_mode), WithJsonSchema({"type": "string", "pattern": f"^{_MODE.pattern}$"})]


class Tls(Section):
    """TLS of the check listener. The files are read again when they change."""

    cert_file: FilePath = Field(description="PEM file with the server's certificate chain.")
    key_file: FilePath = Field(description="PEM file with the private key.")
    client_ca_file: FilePath | None = Field(
        default=None, description="PEM file of the CAs that client certificates must come from; with it every client must show one."
    )


class ClientAddress(Section):
    """Which address is the client's."""

    trusted_hops: int = Field(
        default=0, ge=0, le=16, description="0: the direct peer (source.address). N: the N-th from the right of X-Forwarded-For."
    )
    from_: NonEmpty[Cidr] | None = Field(
        default=None, alias="from", description="Networks of peers whose X-Forwarded-For counts; needed with trusted_hops above 0."
    )


class Paths(Section):
    """How the upstream reads paths."""

    trailing_slash: Literal["same", "strict"] = Field(default="same", description="same: /a/ is /a. strict: they are two paths.")
    case: Literal["sensitive", "insensitive"] = Field(
        default="sensitive", description="insensitive: for upstreams that take /Admin for /admin; routes then match without regard to case."
    )


class Server(Section):
    """The listener that Envoy asks."""

    listen: CheckListen = Field(default="127.0.0.1:9191", description="host:port or unix:///path/to.sock. Needs a restart to change.")
    socket_mode: SocketMode = Field(default=written("0660"), description="File mode of the Unix socket that `listen` names, in octal.")
    transport: Literal["auto", "native", "grpcio"] = Field(
        default="auto",
        description="auto: native on loopback and Unix sockets without TLS where it is installed, else grpcio. Needs a restart to change.",
    )
    workers: Annotated[int, BeforeValidator(_workers)] = Field(default=1, ge=1, description="Processes that decide; 1 so far.")
    check_deadline: Annotated[Duration, duration_between("5ms", "60s")] = Field(
        default=written("150ms"), description="Time for one decision; keep it below Envoy's own timeout (200 ms by default)."
    )
    max_in_flight: int = Field(default=1024, ge=1, le=1_000_000, description="Checks received and not yet answered; above it: 503 at once.")
    shutdown_delay: Annotated[Duration, duration_between("0s", "10m")] = Field(
        default=written("5s"), description="After SIGTERM: not ready, but everything is still answered, so that Envoy can go elsewhere."
    )
    shutdown_timeout: Annotated[Duration, duration_between("1s", "1h")] = Field(
        default=written("25s"), description="Bounds the whole shutdown; keep it below terminationGracePeriodSeconds."
    )
    tls: Tls | None = Field(default=None, description="TLS of this listener (transport grpcio).")
    allowed_peers: NonEmpty[Word] | None = Field(
        default=None, description="Subject alternative names of the clients that may ask; needs tls.client_ca_file."
    )
    unsafe_plaintext_check_listener: bool = Field(
        default=False,
        description="Allows a listener that others on the network reach without TLS: whoever reaches it can ask anything.",
    )
    unsafe_shared_check_listener: Unbuilt = unbuilt("Allows plain TCP on loopback although secrets leave through this listener.")
    fault_response: Literal["denied", "unsafe_error"] = Field(
        default="denied",
        description="denied: a fault of the sidecar denies (503). unsafe_error: Envoy's failure_mode_allow decides.",
    )
    client_address: ClientAddress = Field(default_factory=ClientAddress, description="Where the client's address comes from.")
    max_check_size: Annotated[Size, size_between("1KiB", "16MiB")] = Field(
        default=written("1MiB"), description="A larger CheckRequest is denied unread (malformed_request)."
    )
    paths: Paths = Field(default_factory=Paths, description="How the upstream reads paths.")


class Telemetry(Section):
    """/livez, /readyz and /metrics, for the kubelet and Prometheus."""

    listen: TcpListen = Field(default="0.0.0.0:9193", description="host:port. Needs a restart to change.")


class Admin(Section):
    """/status, for operators."""

    listen: TcpListen = Field(default="127.0.0.1:9192", description="host:port, on loopback. Needs a restart to change.")
    unsafe_public_admin: bool = Field(default=False, description="Allows an address that others on the network reach.")

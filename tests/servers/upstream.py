"""The service behind Envoy: answers what it received, so that a test sees exactly what got through."""

import json
from collections import Counter

from .httpd import HttpServer, Request, Response


class EchoUpstream(HttpServer):
    """Echoes method, target, headers (repeats apart, in order) and body as JSON; counts what it served by target.

    ``extra_headers`` are added to each answer. A gRPC call gets its echo in an answer of the same content type.
    """

    def __init__(self, port: int = 0) -> None:
        """Start listening."""
        self.served: Counter[str] = Counter()
        self.extra_headers: tuple[tuple[str, str], ...] = ()
        super().__init__(self._echo, port)

    async def _echo(self, request: Request) -> Response:
        self.served[request.target] += 1
        seen = {"method": request.method, "target": request.target, "headers": request.headers, "body": request.body.decode("latin-1")}
        content_type = next((value for value in request.all("content-type") if value.startswith("application/grpc")), "application/json")
        return Response(200, json.dumps(seen).encode(), (("content-type", content_type), *self.extra_headers))

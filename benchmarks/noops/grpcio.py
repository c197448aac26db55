"""No-op Check on grpc.aio with uvloop: parses the request, reads one header, answers a constant.

Usage: ``python -m benchmarks.noops.grpcio ADDRESS`` (``host:port`` or ``unix:///path``). Prints ``up`` when it answers.
"""

import asyncio
import sys

import grpc
import uvloop

from sidecar.wire._gen.ext_authz_pb2 import CheckRequest

from .answer import answer


async def serve() -> None:
    """Serve until killed."""
    reply = answer()

    async def check(request: CheckRequest, _context: object) -> bytes:
        request.attributes.request.http.headers["authorization"]
        return reply

    server = grpc.aio.server(options=[("grpc.so_reuseport", 1), ("grpc.optimization_target", "throughput")])
    handler = grpc.unary_unary_rpc_method_handler(check, request_deserializer=CheckRequest.FromString, response_serializer=None)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": handler}),))
    server.add_insecure_port(sys.argv[1])
    await server.start()
    print("up", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())

"""No-op Check on pygrpc-native: parses the request, reads one header, answers a constant.

Usage: ``python -m benchmarks.noops.native ADDRESS`` (``host:port`` or ``unix:///path``). Prints ``up`` when it answers.
"""

import sys

from pygrpc_native import EVENT_CALL, NativeGrpcFront

from sidecar.wire._gen.ext_authz_pb2 import CheckRequest

from .answer import answer


def main() -> None:
    """Serve until killed."""
    reply = answer()
    parse = CheckRequest.FromString
    front = NativeGrpcFront(sys.argv[1], [("/envoy.service.auth.v3.Authorization/Check", False)])
    front.start()
    print("up", flush=True)
    while (events := front.recv_batch(64)) is not None:
        for kind, call_id, _method, payload, _key in events:
            if kind == EVENT_CALL:
                parse(payload).attributes.request.http.headers["authorization"]
                front.respond(call_id, reply)


if __name__ == "__main__":
    main()

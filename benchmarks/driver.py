"""A gRPC load generator that sends many different messages and checks every reply. Reads a plan (JSON) from standard input.

h2load sends one body over and over, which would measure caches, and counts a denial as a success. This one keeps ``streams`` calls
open on each of ``connections`` connections, goes through a corpus of prepared messages, and looks in each reply for the bytes that only
the right answer holds; one reply to each message is parsed in full. Targets take turns in short rounds, so that whatever else the
machine does meets them alike. A round begins and ends with no call open, and its CPU time is read from the server's CPU clock.
"""

import selectors
import sys
import time
from array import array

from sidecar.wire._gen.ext_authz_pb2 import CheckResponse, HeaderValueOption

from . import http2
from .connection import Connection, Script, ServerFault, Tally, connect
from .corpus_file import read_corpus
from .cpu import cpu_seconds
from .plan import Plan, Round, Target, rounds_to_json

CHECK_PATH = "/envoy.service.auth.v3.Authorization/Check"
STALL_SECONDS = 10.0
IDENTITY_HEADERS = {"x-user-id", "x-user-email", "x-user-roles", "x-user-permissions"}


class Session:
    """The open connections to one target."""

    def __init__(self, target: Target, plan: Plan) -> None:
        """Connect; nothing is sent yet."""
        self.target = target
        self.tally = Tally()
        self.total = 0
        extra = (("user-agent", "benchmarks/1"), *((("grpc-timeout", plan.grpc_timeout),) if plan.grpc_timeout else ()))
        blocks = http2.header_blocks(CHECK_PATH, "sidecar", extra)
        script = Script(read_corpus(target.corpus), blocks, bytes.fromhex(target.expect) or None)
        self.selector = selectors.DefaultSelector()
        self.connections = []
        for number in range(plan.connections):
            start = number * script.size // plan.connections
            connection = Connection(connect(target.address), script, self.tally, start, plan.streams)
            self.connections.append(connection)
            self.selector.register(connection.sock, selectors.EVENT_READ, connection)

    def run(self, seconds: float) -> Round:
        """Load the target for ``seconds``, then wait for the last reply. Raises ServerFault on a wrong or missing one."""
        tally = self.tally
        tally.replies, tally.latencies = 0, array("d")
        cpu, own, begin = cpu_seconds(self.target.pid), time.process_time(), time.perf_counter()
        for connection in self.connections:
            connection.fill()
        while time.perf_counter() < begin + seconds:
            for connection in self._readable():
                connection.read()
                connection.fill()
        while any(connection.waiting for connection in self.connections):
            for connection in self._readable():
                connection.read()
                connection.flush()
        elapsed = time.perf_counter() - begin
        own, cpu = time.process_time() - own, cpu_seconds(self.target.pid) - cpu
        self.total += tally.replies
        if tally.wrong:
            count, (text, _) = tally.wrong.total(), tally.wrong.most_common(1)[0]
            raise ServerFault(f"{self.target.name}: {count} of {tally.replies} replies are wrong, for example: {text}")
        latencies = sorted(tally.latencies)
        return Round(
            target=self.target.name, replies=tally.replies, total=self.total, seconds=elapsed, cpu=cpu, driver_cpu=own,
            p50=latencies[len(latencies) // 2], p99=latencies[len(latencies) * 99 // 100],
        )  # fmt: skip

    def _readable(self) -> list[Connection]:
        ready = self.selector.select(STALL_SECONDS)
        if not ready:
            raise ServerFault(f"{self.target.name}: no reply for {STALL_SECONDS:.0f} s")
        return [key.data for key, _events in ready]

    def inspect(self) -> None:
        """Parse one reply to each message; raise ServerFault unless it allows, with the four headers as overwrites."""
        for payload in self.tally.first.values():
            response = CheckResponse.FromString(payload)
            options = response.ok_response.headers
            overwrite = HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
            names = {option.header.key for option in options if option.append_action == overwrite}
            if response.status.code != 0 or response.WhichOneof("http_response") != "ok_response" or names != IDENTITY_HEADERS:
                raise ServerFault(f"{self.target.name}: not the allow it should be: {response}")


def drive(plan: Plan) -> list[Round]:
    """Warm every target up, then measure them in turn."""
    sessions = [Session(target, plan) for target in plan.targets]
    for session in sessions:
        session.run(plan.warmup)
    rounds = []
    for _ in range(plan.rounds):
        rounds += [session.run(plan.seconds) for session in sessions]
        sessions.reverse()
    for session in sessions:
        if not session.target.expect:
            session.inspect()
    return rounds


def main() -> None:
    """Drive, print the rounds as JSON; exit 1 with one line when a server failed."""
    try:
        print(rounds_to_json(drive(Plan.from_json(sys.stdin.read()))))
    except ServerFault as fault:
        raise SystemExit(f"driver: {fault}") from None


if __name__ == "__main__":
    main()

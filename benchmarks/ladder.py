"""Where a warm decision spends its time: ``python -m benchmarks.ladder``.

Each rung does what the short way does, a step further than the rung before it, over the same 1,000 messages, the rungs in turns: what a
step costs here, with the caches as a thousand different requests leave them, is often twice what it costs in a loop of its own.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from statistics import quantiles

from sidecar.engine.snapshot import Snapshot
from sidecar.wire.decode import parse
from sidecar.wire.warm import read_raw

from .configs import Shape
from .corpus import HeaderForm, Signer, corpus
from .corpus_file import Message
from .in_process import one_pass, warm
from .service import Service, running_service

ROUTES = 100
PASSES = 40
Rung = tuple[str, Callable[[bytes], object]]


def rungs(snapshot: Snapshot, form: HeaderForm) -> list[Rung]:
    """The steps before anything is looked up by the token."""
    harmless, usual = snapshot.look_alikes.harmless, snapshot.routes.usual

    def route(body: bytes) -> tuple[object, object]:
        http = parse(body).request.http
        return http, usual(http.method, http.host, http.path)

    def headers(body: bytes) -> tuple[object, bytes]:
        http, _ = route(body)
        if form == "header_map":
            names, value, _, _ = read_raw(http.header_map, "authorization")
            return names, value
        names = http.headers
        value = names.get("authorization").encode()
        names.get("x-request-id"), names.get("traceparent")
        return names, value

    def names(body: bytes) -> bytes:
        found, value = headers(body)
        if not harmless.issuperset(found):
            raise ValueError("a name that is not known")
        return value

    return [
        ("parse the message", parse),
        ("… and find the route", route),
        ("… and read names and three values", headers),
        ("… and see that no name is a look-alike", names),
        ("… and hash the token", lambda body: sha256(names(body)[7:]).digest()),
    ]


def climb(service: Service, messages: Sequence[Message], form: HeaderForm) -> dict[str, list[float]]:
    """µs for each rung, pass by pass."""
    snapshot = service.current.snapshot
    assert snapshot is not None
    found: dict[str, list[float]] = {}
    for _ in range(PASSES):
        for name, rung in rungs(snapshot, form):
            begin = time.process_time_ns()
            for message in messages:
                rung(message.body)
            found.setdefault(name, []).append((time.process_time_ns() - begin) / len(messages) / 1000)
        found.setdefault("the whole decision, recorded", []).append(one_pass(service.checks, messages))
    return found


def main() -> None:
    """Print a table for each form of the headers: the lower quartile of the passes, and what the step added."""
    signer = Signer()
    forms: tuple[HeaderForm, ...] = ("headers", "header_map")
    for form in forms:
        messages = corpus(signer, ROUTES, form)
        with tempfile.TemporaryDirectory() as folder, running_service(Path(folder) / form, signer.jwks(), Shape(routes=ROUTES)) as service:
            warm(service.checks, messages)
            found = climb(service, messages, form)
        sys.stdout.write(f"{form}\n")
        before = 0.0
        for name, passes in found.items():
            quartile = quantiles(passes, n=4)[0]
            sys.stdout.write(f"  {name:42} {quartile:6.1f} µs  + {quartile - before:.1f}\n")
            before = quartile


if __name__ == "__main__":
    main()

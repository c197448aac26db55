"""The first check of a token that was never seen: its CPU time beside the bare verification of the same signatures."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import jwt
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from sidecar.model.ask import TURN, Verify
from sidecar.wire.seam import Checks, Pending

from .configs import Shape
from .corpus import PEOPLE, Person, Signer, corpus, person, request
from .corpus_file import Message
from .effort import Effort
from .in_process import SETTLE_SECONDS, alternate, check, expect, warm
from .service import running_service
from .targets import Figure

ROUTES = 100
BATCH = 100


def measure_new_token(folder: Path, effort: Effort) -> Iterable[Figure]:
    """µs above the bare verification, in batches of 100 tokens: of the people of the corpus, and of people never seen."""
    signer = Signer()
    known = [person(number % PEOPLE) for number in range(effort.tokens + BATCH)]
    yield from _measure(folder / "known", signer, known, "new-token")
    if not effort.short:
        yield from _measure(folder / "new", signer, [person(1000 + number) for number in range(effort.tokens + BATCH)], "new-person")


def _measure(folder: Path, signer: Signer, people: Sequence[Person], name: str) -> Iterable[Figure]:
    tokens = [signer.token(bearer) for bearer in people]
    messages = [Message(request(n, token, ROUTES, "headers"), people[n].needle) for n, token in enumerate(tokens)]
    timed, messages = messages[-BATCH:], messages[:-BATCH]
    batches = iter([messages[at : at + BATCH] for at in range(0, len(messages), BATCH)])
    signed = iter([tokens[at : at + BATCH] for at in range(0, len(tokens), BATCH)])
    with running_service(folder, signer.jwks(), Shape(routes=ROUTES)) as service:
        warm(service.checks, corpus(signer, ROUTES, "headers"))
        checks, bare = alternate(
            len(messages) // BATCH, lambda: _first_checks(service.checks, next(batches)), lambda: _bare(signer, next(signed))
        )
        parts = _parts(service.checks, timed)
    above = [ours - theirs for ours, theirs in zip(checks, bare, strict=True)]
    details: dict[str, object] = {"check_us": round(median(checks), 1), "bare_us": round(median(bare), 1), **parts}
    yield Figure(name=name, value=median(above), details=details)


def _first_checks(checks: Checks, messages: Sequence[Message]) -> float:
    begin = time.process_time_ns()
    replies = [check(checks, message.body) for message in messages]
    time.sleep(SETTLE_SECONDS)
    spent = time.process_time_ns() - begin
    for reply, message in zip(replies, messages, strict=True):
        expect(reply, message)
    return spent / len(messages) / 1000


def _parts(checks: Checks, messages: Sequence[Message]) -> dict[str, object]:
    """Median µs up to the signature, of the signature where it stands, and after it."""
    laps: list[tuple[int, int, int]] = []
    for message in messages:
        begin = time.perf_counter_ns()
        pending = checks.open(message.body, None)
        while isinstance(pending, Pending) and pending.ask is TURN:
            pending = checks.resume(pending, True)
        opened = time.perf_counter_ns()
        if not isinstance(pending, Pending) or not isinstance(pending.ask, Verify):
            raise TypeError("a new token asked for no verification")
        holds = pending.ask.run()
        verified = time.perf_counter_ns()
        expect(checks.resume(pending, holds), message)
        laps.append((opened - begin, verified - opened, time.perf_counter_ns() - verified))
    names = ("before_us", "signature_in_place_us", "after_us")
    return {name: round(median(lap) / 1000, 1) for name, lap in zip(names, zip(*laps, strict=True), strict=True)}


def _bare(signer: Signer, tokens: Sequence[str]) -> float:
    parts = [token.rpartition(".") for token in tokens]
    pairs = [(signed.encode(), jwt.utils.base64url_decode(signature)) for signed, _, signature in parts]
    verify, scheme, digest = signer.public_key.verify, padding.PKCS1v15(), SHA256()
    begin = time.process_time_ns()
    for signed, signature in pairs:
        verify(signature, signed, scheme, digest)
    return (time.process_time_ns() - begin) / len(tokens) / 1000

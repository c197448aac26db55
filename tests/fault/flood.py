"""Prepared checks by the thousand and the load generator that sends them as fast as the sidecar answers, in a process of its own."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.corpus_file import Message, write_corpus
from benchmarks.plan import Plan, Round, Target
from tests.serve.site import ROOT, Running
from tests.servers.checks import get_check
from tests.servers.issuer import b64
from tests.servers.proc import TIED

ALLOWED = b"x-user-id"
"""Only an allow of the scene holds it."""
DENIED = b"about:blank"
"""Only a denial does (problem+json)."""


def expecting(needle: bytes, tokens: Iterable[str]) -> list[Message]:
    """A check for each token, and what its answer must hold."""
    return [Message(get_check(authorization=f"Bearer {token}").SerializeToString(), needle) for token in tokens]


def unknown_kids(like: str, count: int) -> list[str]:
    """The token ``count`` times, each under a kid of its own that no issuer has; the signature stays and holds no more."""
    head, payload, signature = like.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    return [f"{b64(json.dumps({**header, 'kid': f'flood-{number}'}).encode())}.{payload}.{signature}" for number in range(count)]


class Driver:
    """A load generator under way: ``seconds`` of closed-loop load after a second of warm-up. Every answer is checked."""

    def __init__(
        self, running: Running, name: str, messages: list[Message], seconds: float, *, connections: int = 2, streams: int = 16
    ) -> None:
        corpus = running.site.folder / f"{name}.corpus"
        write_corpus(corpus, messages)
        target = Target(name=name, address=running.site.address, pid=running.proc.pid, corpus=str(corpus), expect=messages[0].needle.hex())
        plan = Plan(targets=(target,), rounds=1, seconds=seconds, warmup=1.0, connections=connections, streams=streams)
        command = [*TIED, sys.executable, "-m", "benchmarks.driver"]
        self._out = Path(running.site.folder) / f"{name}.rounds"
        with self._out.open("wb") as out:
            self._popen = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=dict(os.environ)
            )
        assert self._popen.stdin is not None
        self._popen.stdin.write(plan.to_json().encode())
        self._popen.stdin.close()

    def result(self) -> Round:
        """Wait for its end; an assertion error when an answer was wrong or missing."""
        code = self._popen.wait(180)
        text = self._out.read_text()
        assert code == 0, text
        return Round(**json.loads(text)[0])

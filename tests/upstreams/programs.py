"""How each upstream is started. Node and Go come from ``make upstreams``."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.servers.client import send
from tests.servers.ports import free_port
from tests.servers.proc import Proc
from tools.setup_upstreams import BUILD, NODE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
START_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Program:
    """One upstream stack. ``case`` and ``trailing_slash``: what ``server.paths`` of its sidecar has to say about how it reads paths."""

    name: str
    title: str
    command: Callable[[int, Path], list[str]]
    case: str = "sensitive"
    trailing_slash: str = "same"


def _python(module: str) -> Callable[[int, Path], list[str]]:
    return lambda port, static: [sys.executable, "-m", f"tests.upstreams.{module}", str(port), str(static)]


def _node(script: str) -> Callable[[int, Path], list[str]]:
    return lambda port, static: [str(NODE), str(HERE / "node" / script), str(port), str(static)]


def _go(kind: str) -> Callable[[int, Path], list[str]]:
    return lambda port, static: [str(BUILD / "go-upstream"), kind, str(port), str(static)]


PROGRAMS = (
    Program("fastapi", "FastAPI on uvicorn", _python("fastapi_app")),
    Program("flask", "Flask on Werkzeug", _python("flask_app")),
    Program("express", "express", _node("express.cjs"), case="insensitive"),
    Program("node", "Node http, URL class", _node("url.cjs"), trailing_slash="strict"),
    Program("go", "Go ServeMux", _go("mux")),
    Program("go-clean", "Go http, path.Clean", _go("clean")),
)


class MissingUpstream(Exception):
    """What a program needs is not installed."""


class Upstream:
    """A running program on a loopback port, with its static files in ``folder``."""

    def __init__(self, program: Program, folder: Path) -> None:
        """Start it and wait until it answers.

        Raises:
            MissingUpstream: ``make upstreams`` was not run.
        """
        self.port = free_port()
        command = program.command(self.port, static_files(folder))
        if not Path(command[0]).exists():
            raise MissingUpstream(f"{program.title}: {command[0]} is not there; run make upstreams")
        environment = {"NODE_PATH": str(BUILD / "node" / "node_modules"), "NODE_ENV": "production"}
        self.proc = Proc(program.name, command, folder, env=environment, cwd=ROOT)
        self.proc.wait_ready(self.ready, START_TIMEOUT)

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return send(self.port, "/", timeout=1).get("x-handler") == "public:home"
        except (OSError, ValueError):
            return False

    def stop(self) -> None:
        """Stop it."""
        self.proc.stop()


def static_files(folder: Path) -> Path:
    """A public file and a protected one, as every upstream's static files."""
    static = folder / "static"
    for place, says in (("pub/page.txt", "public:static"), ("private/secret.txt", "protected:static")):
        path = static / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(says)
    return static

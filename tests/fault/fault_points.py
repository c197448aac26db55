"""Every place where a check can break, found by watching the interpreter: each call and each return of a function, Python's or C's.

``sys.setprofile`` sees them all, so nothing has to be listed: a new function on the path is a new point. Raising in the profiler raises
in that function, before its first line (``call``), in place of a C function (``c_call``), or in place of its result (``return``).
"""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

PACKAGE = str(Path(__file__).parents[2] / "sidecar")
EVENTS = {"call", "c_call", "return", "c_return"}


class Point(NamedTuple):
    """``function``: whose frame it is in; ``callee``: the C function, if it is one."""

    file: str
    function: str
    event: str
    callee: str


class Injector:
    """Runs the boundary's methods, and raises at the ``at``-th point within them (-1: only looks)."""

    def __init__(self, at: int = -1, fault: type[BaseException] = RuntimeError) -> None:
        self.seen: list[Point] = []
        self.functions: set[CodeType] = set()
        self.hit = False
        self._at = at
        self._fault = fault
        self._method: FrameType | None = None

    def run(self, method: Callable[..., T], *arguments: object) -> T:
        """Call one method of the boundary. Its own call and return are no points: what is asked is whether anything leaves it."""
        self._method = None
        gc.collect()  # what an earlier fault left behind would be closed within this call, at any point: that is not the call's own
        gc.disable()
        sys.setprofile(self._event)
        try:
            return method(*arguments)
        finally:
            sys.setprofile(None)
            gc.enable()

    def _event(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and self._method is None:
            self._method = frame
            self.functions.add(frame.f_code)
            return
        if self._method is None or event not in EVENTS or (frame is self._method and event == "return"):
            return
        if frame.f_code.co_filename == __file__:  # our own end of watching
            return
        if event == "call":
            self.functions.add(frame.f_code)
        number = len(self.seen)
        code = frame.f_code
        file = code.co_filename.removeprefix(PACKAGE)
        callee = getattr(argument, "__name__", "") if event.startswith("c_") else ""
        self.seen.append(Point(file, code.co_qualname, event, callee))
        if number == self._at:
            self.hit = True
            raise self._fault  # and the interpreter forgets this profiler


def functions_of(modules: list[Any]) -> dict[CodeType, str]:
    """Every function and method written in these modules, by its code."""
    found: dict[CodeType, str] = {}
    for module in modules:
        compiled = compile(Path(module.__file__).read_text(), module.__file__, "exec")
        _collect(compiled, module.__name__.removeprefix("sidecar."), found)
    return found


def _collect(code: CodeType, module: str, found: dict[CodeType, str]) -> None:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            is_class = not constant.co_flags & 0x2  # CO_NEWLOCALS: functions have it, class bodies do not
            if not is_class and not constant.co_name.startswith("<"):
                found[constant] = f"{module}.{constant.co_qualname}"
            _collect(constant, module, found)

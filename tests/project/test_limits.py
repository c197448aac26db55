"""The size of files and functions, and the few things that only one place may do (CONTRIBUTING.md, *Code*)."""

import ast
from collections import Counter
from collections.abc import Callable

from .tree import ROOT, files, nodes, python_files, text

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

BROAD_EXCEPTS = {
    "sidecar/wire/service.py": "the boundary of a check: every fault becomes a denial",
    "sidecar/wire/faults.py": "the report of such a fault, which must not become one that nobody holds",
    "sidecar/wire/candidate.py": "a candidate configuration: whatever it does, the check goes on",
    "sidecar/authz/cel.py": "the CEL library: what it cannot take is unknown",
    "sidecar/authn/keyset.py": "one foreign key: it raises what it likes, and must not lose the others",
    "sidecar/app/supervise.py": "a background task that has to go on",
    "sidecar/adapters/output.py": "the thread that writes records, which has to go on",
    "sidecar/adapters/pages.py": "an HTTP handler of the telemetry and admin listeners",
}
CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "thread_time"}
CALENDARS = {"now", "utcnow", "today"}


def findings(look: Callable[[str], list[str]], names: list[str]) -> dict[str, list[str]]:
    """What ``look`` found, by file; files without findings are left out."""
    assert names
    return {name: found for name in names if (found := look(name))}


def test_files_are_short() -> None:
    lengths = {name: text(name).count("\n") for name in python_files()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def long_functions(name: str) -> list[str]:
    functions = [*nodes(name, ast.FunctionDef), *nodes(name, ast.AsyncFunctionDef)]
    lengths = {f"line {f.lineno}: {f.name}": (f.end_lineno or f.lineno) - f.lineno + 1 for f in functions}
    return [f"{place} has {lines} lines" for place, lines in lengths.items() if lines > MAX_FUNCTION_LINES]


def test_functions_are_short() -> None:
    assert findings(long_functions, python_files()) == {}


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Catches everything and does not raise it again at its end."""
    if isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None:
        return False
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"} for kind in caught)


def test_broad_excepts_stand_at_the_listed_places_only() -> None:
    found = Counter(name for name in python_files("sidecar/") for handler in nodes(name, ast.ExceptHandler) if is_broad(handler))
    assert set(found) <= set(BROAD_EXCEPTS)
    assert {name for name, count in found.items() if count > 1} <= {"sidecar/wire/service.py"}


def clock_reads(name: str) -> list[str]:
    found = [
        f"line {node.lineno}: import of {alias.name}"
        for node in nodes(name, ast.ImportFrom)
        if node.module == "time"
        for alias in node.names
        if alias.name in CLOCKS
    ]
    for node in nodes(name, ast.Attribute):
        owner = ast.unparse(node.value)
        is_clock = owner == "time" and node.attr in CLOCKS
        is_calendar = node.attr in CALENDARS and owner.rpartition(".")[2] in {"datetime", "date"}
        is_loop = node.attr == "time" and owner.rpartition(".")[2].rstrip("()") in {"loop", "_loop", "get_running_loop", "get_event_loop"}
        if is_clock or is_calendar or is_loop:
            found.append(f"line {node.lineno}: {owner}.{node.attr}")
    return found


def test_clocks_are_read_in_one_place() -> None:
    assert set(findings(clock_reads, python_files("sidecar/"))) == {"sidecar/adapters/clock.py"}


def zero_sleeps(name: str) -> list[str]:
    found = []
    for call in nodes(name, ast.Call):
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if called == "sleep" and call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0:
            found.append(f"line {call.lineno}")
    return found


def test_no_sleep_of_zero() -> None:
    """A zero sleep on the loop does not let the decision thread run (docs/explanation/architecture.md)."""
    assert findings(zero_sleeps, python_files("sidecar/", "examples/", "benchmarks/", "loadtest/")) == {}


def prints(name: str) -> list[str]:
    calls = [call for call in nodes(name, ast.Call) if isinstance(call.func, ast.Name) and call.func.id == "print"]
    return [f"line {call.lineno}" for call in calls if not any(keyword.arg == "file" for keyword in call.keywords)]


def test_no_print_to_stdout_in_the_package() -> None:
    """Standard output belongs to decision records and to what commands answer."""
    assert findings(prints, python_files("sidecar/")) == {}


def test_nothing_names_a_place_of_one_machine() -> None:
    places = ["/" + folder + "/" for folder in ("work", "root", "home")]
    for name in files():
        try:
            content = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        assert not [place for place in places if place in content], name

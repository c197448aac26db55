"""Every ``await``, ``async with`` and ``async for`` of a module as a point at which something can be raised, found in its syntax tree."""

import ast
from collections.abc import Awaitable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple


class Point(NamedTuple):
    """One of them, by the function that it stands in."""

    function: str
    line: int
    text: str


class Faults:
    """Modules with their points, and the one at which ``fault`` is raised next; once, and ``fired`` says so."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.armed = -1
        self.fault: type[BaseException] = RuntimeError
        self.fired = False

    def arm(self, number: int, fault: type[BaseException]) -> None:
        self.armed, self.fault, self.fired = number, fault, False

    def _strike(self, number: int) -> None:
        if number == self.armed:
            self.armed, self.fired = -1, True
            raise self.fault

    async def awaiting(self, number: int, awaited: Awaitable[Any]) -> Any:
        if number == self.armed and hasattr(awaited, "close"):
            awaited.close()
        self._strike(number)
        return await awaited

    def entering(self, number: int, context: Any) -> "_Entering":
        return _Entering(self, number, context)

    async def iterating(self, number: int, items: Any) -> Any:
        self._strike(number)
        async for item in items:
            yield item

    def load(self, name: str) -> ModuleType:
        """A copy of a module with its points; nobody else's imports change."""
        real = __import__(name, fromlist=["_"])
        tree = _Points(self.points).visit(ast.parse(Path(real.__file__).read_text()))
        copy = ModuleType(name)
        copy.__dict__.update(__package__=real.__package__, __file__=real.__file__, _faults=self)
        exec(compile(ast.fix_missing_locations(tree), real.__file__, "exec"), copy.__dict__)
        return copy


class _Entering:
    def __init__(self, faults: Faults, number: int, context: Any) -> None:
        self._faults, self._number, self._context = faults, number, context

    async def __aenter__(self) -> Any:
        self._faults._strike(self._number)
        return await self._context.__aenter__()

    async def __aexit__(self, *error: object) -> Any:
        return await self._context.__aexit__(*error)


class _Points(ast.NodeTransformer):
    """Puts each point through a method of ``_faults``."""

    def __init__(self, points: list[Point]) -> None:
        self._points = points
        self._where: list[str] = []

    def _named(self, node: Any) -> Any:
        self._where.append(node.name)
        self.generic_visit(node)
        self._where.pop()
        return node

    visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _named  # noqa: N815 - ast's names

    def _through(self, method: str, value: ast.expr) -> ast.expr:
        self._points.append(Point(".".join(self._where), value.lineno, ast.unparse(value)))
        function = ast.Attribute(ast.Name("_faults", ast.Load()), method, ast.Load())
        call = ast.Call(function, [ast.Constant(len(self._points) - 1), value], [])
        return ast.copy_location(call, value)

    def visit_Await(self, node: ast.Await) -> ast.Await:
        value = self._through("awaiting", node.value)
        self.generic_visit(node)
        node.value = value
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AsyncWith:
        for item in node.items:
            item.context_expr = self._through("entering", item.context_expr)
        for statement in node.body:
            self.visit(statement)
        return node

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AsyncFor:
        node.iter = self._through("iterating", node.iter)
        for statement in node.body:
            self.visit(statement)
        return node

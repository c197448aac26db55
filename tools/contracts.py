"""An import-linter contract of our own: which third parties each layer may import, exhaustively.

A foreign package that no layer names is a violation, so a new dependency has to be written down where it belongs.
"""

import sys
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class ThirdParties(Contract):
    """Fails for every import of a package that is neither ours, nor the standard library's, nor allowed to its layer."""

    package = fields.StringField()
    allowed = fields.ListField(subfield=fields.StringField())
    """``module: package package …``; the longest module that is a prefix of the importer counts."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Compare every import of a foreign package with the list."""
        del verbose
        allowed = dict(self._entries())
        broken = [
            {"importer": importer, "package": foreign, "lines": self._lines(graph, importer, foreign)}
            for foreign in sorted(graph.modules)
            if graph.is_module_squashed(foreign) and foreign not in sys.stdlib_module_names
            for importer in sorted(graph.find_modules_that_directly_import(foreign))
            if foreign not in self._allowance(allowed, importer)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each violation."""
        for row in check.metadata["broken"]:
            output.print_error(f"{row['importer']} may not import {row['package']} (line {row['lines']})", bold=False)

    def _entries(self) -> list[tuple[str, frozenset[str]]]:
        pairs = [entry.partition(":") for entry in cast("list[str]", self.allowed)]
        return [(f"{self.package}.{name.strip()}", frozenset(packages.split())) for name, _, packages in pairs]

    @staticmethod
    def _allowance(allowed: dict[str, frozenset[str]], importer: str) -> frozenset[str]:
        fitting = [name for name in allowed if importer == name or importer.startswith(f"{name}.")]
        return allowed[max(fitting, key=len)] if fitting else frozenset()

    @staticmethod
    def _lines(graph: ImportGraph, importer: str, imported: str) -> str:
        details = graph.get_import_details(importer=importer, imported=imported)
        return ", ".join(str(detail["line_number"]) for detail in details)

"""What a row of results depends on: one that is still true is kept, any other is measured again.

Code counts by what it does. Which modules a system, a measure or a picture goes through is found by following imports,
so that a module that is moved or new is never forgotten.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import astuple, dataclass
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class RowKey:
    """A row is kept as long as this stays the same.

    Attributes:
        system: a network's checksum, its fallback's, and the graph or engine; empty for methods that are all code.
        code: checksum of the code that makes the figures.
        inputs: checksum of what the system is shown; empty where a set's row says that once for all systems.
        machine: what runs it; empty where figures do not depend on it.
    """

    system: str = ""
    code: str = ""
    inputs: str = ""
    machine: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in astuple(self) if part)


@cache
def code_checksum(*modules: ModuleType, without: tuple[ModuleType, ...] = ()) -> str:
    """Of what modules do, and all of the package that they import when they are loaded.

    Comments, docstrings, arguments called `about` and the imports themselves may change, and so may the order of
    modules. What a module imports only when it is needed is left out: it belongs to whoever asks for it.

    Args:
        modules: where to begin.
        without: modules and packages that are not followed, as what they give is part of another checksum.
    """
    return _digest(*sorted(map(_bare_source, modules_behind(*modules, without=without))))


def modules_behind(*modules: ModuleType, without: tuple[ModuleType, ...] = ()) -> set[str]:
    """Names of these modules and of all that they import when they are loaded; see `code_checksum`."""
    left_out = {module.__name__ for module in without}
    found: set[str] = set()
    waiting = [module.__name__ for module in modules]
    while waiting:
        name = waiting.pop()
        if name not in found and not any(name == out or name.startswith(f"{out}.") for out in left_out):
            found.add(name)
            waiting += _imported(name)
    return found


@cache
def own_checksum(*modules: ModuleType) -> str:
    """Of what these modules do, and no others."""
    return _digest(*(_bare_source(module.__name__) for module in modules))


def _digest(*sources: str) -> str:
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:12]


def _file(name: str) -> Path | None:
    """Of a module of the package; None where there is none of that name."""
    path = ROOT.joinpath(*name.split(".")[1:])
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _tree(name: str) -> ast.Module:
    path = _file(name)
    if path is None:
        raise FileNotFoundError(f"{name}: no such module")
    return ast.parse(path.read_bytes())


def _imported(name: str) -> list[str]:
    """The package's modules that one of them imports when it is loaded."""
    file = _file(name)
    package = name if file and file.name == "__init__.py" else name.rpartition(".")[0]
    found = []
    for node in _tree(name).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            source = resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                found.append(whole if _file(whole) else source)
    return found


def _bare_source(name: str) -> str:
    return ast.unparse(_Bare().visit(_tree(name)))


class _Bare(ast.NodeTransformer):
    """Takes away what changes no result: imports, which a move rewrites, docstrings, and what systems are in words."""

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "about"]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node

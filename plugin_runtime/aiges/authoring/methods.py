"""Which methods a wrapper has, by its source: to say how it is called, without running it. Pure."""

import ast
from collections.abc import Iterable
from typing import Final

_CLASS: Final = "Wrapper"
_ONCE: Final = frozenset({"wrapperOnceExec", "wrapperOnceExecAsync", "wrapperBatchExec"})
_STREAM: Final = "wrapperStream"
_SESSION: Final = frozenset({_STREAM, "wrapperCreate"})
_TYPED: Final = "infer"
"""The method of a typed wrapper; the type of its result says whether it streams."""

_MANY: Final = ("Iterator", "Iterable", "Generator")


def only_streams(source: str) -> bool:
    """Say whether a wrapper takes sessions and no single calls, as far as its own file tells.

    Args:
        source: The text of wrapper.py; bases from other files are not looked at.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    found = set(_methods(_CLASS, classes, set()))
    return bool(found & _SESSION) and not found & _ONCE


def _methods(name: str, classes: dict[str, ast.ClassDef], seen: set[str]) -> Iterable[str]:
    if name not in classes or name in seen:
        return
    seen.add(name)
    for node in classes[name].body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _STREAM if node.name == _TYPED and _gives_many(node) else node.name
    for base in classes[name].bases:
        if isinstance(base, ast.Name):
            yield from _methods(base.id, classes, seen)


def _gives_many(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a function's result is declared as one of many: Iterator, AsyncIterator, ..."""
    declared = node.returns.value if isinstance(node.returns, ast.Subscript) else node.returns
    return declared is not None and ast.unparse(declared).endswith(_MANY)

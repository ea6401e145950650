"""Questions about Python source that a model wrote, answered from its syntax tree; nothing is executed."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

#: what Python's parser raises for text that is not Python, or is nested too deeply
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)

#: the line of a definition, also of one with a mistake in it
HEAD = re.compile(
    r"^[ \t]*(?:>>>[ \t]*)?(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(|class[ \t]+\w+[ \t]*[(:])", re.M
)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)


def syntax_tree(source: str) -> ast.Module:
    """The syntax tree of ``source``. Raises the errors of ``NOT_PYTHON``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about invalid escapes in string literals
        return ast.parse(source)


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of ``source``; None if it is empty or not Python."""
    try:
        tree = syntax_tree(source)
    except NOT_PYTHON:
        return None
    return tree if tree.body else None


def is_function_body(tree: ast.Module) -> bool:
    """Whether a module has a ``return`` or ``yield`` outside of any function, so it is a function's body."""
    return any(isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom)) for node in same_scope(tree))


def same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below ``node``, without those inside nested functions, classes and lambdas."""
    nodes = list(ast.iter_child_nodes(node))
    while nodes:
        child = nodes.pop()
        yield child
        if not isinstance(child, _SCOPES):
            nodes.extend(ast.iter_child_nodes(child))


def is_stub(node: ast.stmt) -> bool:
    """Whether a function or class has no code.

    A docstring, imports, ``pass``, ``...`` and ``raise NotImplementedError`` are not code.
    """
    if not isinstance(node, DEFINITIONS):
        return False
    if isinstance(node, ast.ClassDef):
        return all(_is_empty(child) or is_stub(child) for child in node.body)
    return all(_is_empty(child) for child in node.body)


def _is_empty(node: ast.stmt) -> bool:
    if isinstance(node, ast.Raise):
        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return isinstance(error, ast.Name) and error.id == "NotImplementedError"
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, (ast.Pass, *IMPORTS))

"""The program that tests run: a model's code, what it needs of its prompt, and nothing that tests do not use.

As in EvalPlus (Liu et al., arXiv:2305.01210, ``evalplus.sanitize``), demonstrations, the model's own tests
and ``input()`` at the top level are left out: only statements on which the tests depend remain. Python's
``symtable`` decides which names a statement binds and uses. Nothing is executed here.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_llmeval.scoring.extract.code import code
from pytest_llmeval.scoring.extract.statements import dedented
from pytest_llmeval.scoring.python_source import (
    DEFINITIONS,
    IMPORTS,
    NOT_PYTHON,
    is_function_body,
    is_stub,
    parsed,
    same_scope,
)

#: longer programs run as they are
_MAX_CHARACTERS = 200_000


def assembled(answer: str, prompt: str, tests: str) -> str:
    """The program to run before ``tests``: what they need of the answer and of its prompt.

    ``prompt`` is Python, a text with Python in it, or neither. An answer that continues the prompt's last
    function is joined to it. An answer that defines what the tests use gets the prompt's imports and
    helpers. Any other answer is returned as it is.
    """
    if max(len(answer), len(prompt)) > _MAX_CHARACTERS:
        return answer
    wanted = used_names(tests)
    head = _python_of(prompt)
    whole = dedented(answer)
    own = _statements(whole)
    own += _methods_as_functions(own, wanted)
    if _answers(own, wanted):
        return _needed([*(_statements(head) or _statements(_with_body(head))), *own], wanted)
    for joined in _continuations(answer, head):
        statements = _statements(joined)
        if _answers(statements, wanted):
            return _needed(statements, wanted)
    return answer


def _answers(statements: Iterable[Statement], wanted: frozenset[str]) -> bool:
    return any(not part.is_stub and part.binds & wanted for part in statements)


def used_names(source: str) -> frozenset[str]:
    """The names that a module uses and does not bind itself; empty if it is not Python."""
    try:
        binds, uses = _names(source)
    except NOT_PYTHON:
        return frozenset()
    return uses - binds


def bound_names(source: str) -> frozenset[str]:
    """The names that a module binds at its top level; empty if it is not Python."""
    try:
        return _names(source)[0]
    except NOT_PYTHON:
        return frozenset()


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement at the top level of a module: the names that it binds, uses and changes.

    ``uses`` includes the global names in the functions that it defines, ``reads`` only those it needs when it
    runs. ``changes`` are names of objects whose items or attributes it sets, ``calls`` of those whose methods
    it calls.
    """

    source: str
    node: ast.stmt
    binds: frozenset[str]
    uses: frozenset[str]
    reads: frozenset[str]
    changes: frozenset[str]
    calls: frozenset[str]

    @property
    def is_definition(self) -> bool:
        """Whether it is a function or class that replaces earlier ones of its name."""
        return isinstance(self.node, DEFINITIONS) and not self.binds & self.reads

    @property
    def is_stub(self) -> bool:
        """Whether it is a function or class without code."""
        return is_stub(self.node)

    @property
    def is_always_needed(self) -> bool:
        """Whether it binds names that only running it would show, or changes how Python reads the module."""
        return isinstance(self.node, ast.ImportFrom) and (
            self.is_future or any(alias.name == "*" for alias in self.node.names)
        )

    @property
    def is_future(self) -> bool:
        """Whether it is an import that must stand at the beginning."""
        return isinstance(self.node, ast.ImportFrom) and self.node.module == "__future__"


def _statements(source: str) -> list[Statement]:
    """The statements of a module, those on one line as one; empty if it is no module."""
    tree = parsed(source)
    if tree is None or is_function_body(tree):
        return []
    lines = source.split("\n")
    groups: list[tuple[int, int, list[ast.stmt]]] = []
    for node in tree.body:
        start = min((node.lineno, *(item.lineno for item in getattr(node, "decorator_list", ()))))
        end = node.end_lineno or start
        if groups and start <= groups[-1][1]:
            groups[-1] = (groups[-1][0], max(end, groups[-1][1]), [*groups[-1][2], node])
        else:
            groups.append((start, end, [node]))
    return [_statement("\n".join(lines[start - 1 : end]), nodes) for start, end, nodes in groups]


def _statement(source: str, nodes: list[ast.stmt]) -> Statement:
    try:
        binds, uses = _names(source)
        reads = _referenced(_symbols(source))
    except NOT_PYTHON:  # such as two parameters of one name
        binds, uses, reads = frozenset(), frozenset(), frozenset()
    changes: set[str] = set()
    calls: set[str] = set()
    if not isinstance(nodes[0], DEFINITIONS):
        for node in (each for top in nodes for each in (top, *same_scope(top))):
            if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
                changes.add(_base(node))
            elif isinstance(node, ast.Call):
                calls.add(_base(node))
    # several statements on one line: none of them replaces another
    node = nodes[0] if len(nodes) == 1 else ast.Pass()
    return Statement(source, node, binds, uses, reads, frozenset(changes), frozenset(calls))


def _base(node: ast.expr) -> str:
    """The name at the beginning of ``name.attribute[item](...)``; empty if there is none."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _symbols(source: str) -> symtable.SymbolTable:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return symtable.symtable(source, "<answer>", "exec")


def _names(source: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a module binds, and those that it uses anywhere. Raises the errors of ``NOT_PYTHON``."""
    table = _symbols(source)
    binds = {
        symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()
    }
    return frozenset(binds), _referenced(table) | _global_names(table)


def _referenced(table: symtable.SymbolTable) -> frozenset[str]:
    return frozenset(symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced())


def _global_names(table: symtable.SymbolTable) -> frozenset[str]:
    names: set[str] = set()
    tables = list(table.get_children())
    while tables:
        child = tables.pop()
        names.update(symbol.get_name() for symbol in child.get_symbols() if symbol.is_global())
        tables.extend(child.get_children())
    return frozenset(names)


def _needed(statements: list[Statement], wanted: Iterable[str]) -> str:
    """The source of the statements on which the wanted names depend, in order."""
    selection = _Selection(statements)
    selection.follow(wanted)
    for index, statement in enumerate(statements):
        if statement.is_always_needed:
            selection.add(index)
    for index in _set_up(statements, max(selection.indices, default=0)):
        selection.add(index)
    ordered = sorted(selection.indices, key=lambda index: (not statements[index].is_future, index))
    return "\n".join(statements[index].source for index in ordered) + "\n"


class _Selection:
    """The indices of the statements that are needed."""

    def __init__(self, statements: list[Statement]) -> None:
        self.statements = statements
        self.indices: set[int] = set()
        self._seen: set[str] = set()
        self._binders: dict[str, list[int]] = {}
        self._effects: dict[str, list[int]] = {}
        for index, statement in enumerate(statements):
            for name in statement.binds:
                self._binders.setdefault(name, []).append(index)
            for name in statement.changes | statement.calls:
                self._effects.setdefault(name, []).append(index)

    def add(self, index: int) -> None:
        """Add a statement and what it depends on."""
        if index not in self.indices:
            self.indices.add(index)
            self.follow(self.statements[index].uses)

    def follow(self, names: Iterable[str]) -> None:
        """Add the statements that bind these names or change their objects, and what they depend on."""
        waiting = list(names)
        while waiting:
            if (name := waiting.pop()) in self._seen:
                continue
            self._seen.add(name)
            for index in self._about(name):
                if index not in self.indices:
                    self.indices.add(index)
                    waiting.extend(self.statements[index].uses)

    def _about(self, name: str) -> list[int]:
        binders = _live(self.statements, self._binders.get(name, []))
        if not binders:
            return []
        nodes = [self.statements[index].node for index in binders]
        is_data = any(not isinstance(node, (*DEFINITIONS, *IMPORTS)) for node in nodes)
        effects = (
            index
            for index in self._effects.get(name, ())
            if name in self.statements[index].changes or (is_data and name in self.statements[index].calls)
        )
        return [*binders, *effects]


def _live(statements: list[Statement], binders: list[int]) -> list[int]:
    """Those of the statements that bind a name which a later definition does not replace."""
    binders = [index for index in binders if not statements[index].is_stub] or binders
    whole = [index for index in binders if statements[index].is_definition]
    return [index for index in binders if not whole or index >= whole[-1]]


def _set_up(statements: list[Statement], end: int) -> Iterator[int]:
    """Calls of imported things before a statement, such as ``sys.setrecursionlimit(10**6)``.

    They use nothing that the program itself defines.
    """
    imported = {name for part in statements if isinstance(part.node, IMPORTS) for name in part.binds}
    own = {name for part in statements if not isinstance(part.node, IMPORTS) for name in part.binds}
    for index, part in enumerate(statements[:end]):
        simple = isinstance(part.node, (ast.Expr, ast.Assign)) and not part.binds
        if simple and (part.changes | part.calls) & imported and not part.uses & own:
            yield index


def _methods_as_functions(statements: list[Statement], wanted: frozenset[str]) -> list[Statement]:
    """Names for methods of the answer's classes that the tests call as functions."""
    found: list[Statement] = []
    for name in wanted.difference(dir(builtins), *(part.binds for part in statements)):
        owners = [
            part.node.name
            for part in statements
            if isinstance(part.node, ast.ClassDef)
            and any(isinstance(child, ast.FunctionDef) and child.name == name for child in part.node.body)
        ]
        if len(owners) == 1:
            found += _statements(f"{name} = {owners[0]}().{name}")
    return found


def _python_of(prompt: str) -> str:
    """The Python of a prompt: all of it, also if a body is still to come, or the program in its text."""
    if parsed(prompt) is not None or parsed(_with_body(prompt)) is not None:
        return prompt
    return code(prompt) or ""


def _with_body(head: str) -> str:
    return f"{head.rstrip()}\n{_indentation(head)}pass\n"


def _continuations(answer: str, head: str) -> Iterator[str]:
    """The ways in which an answer can go on after the head of a function."""
    if not head:
        return
    newline = "" if head.endswith("\n") else "\n"
    yield head + answer
    yield head.rstrip(" \t") + newline + answer
    lines = answer.split("\n")
    end = next((at for at, line in enumerate(lines) if line.strip() and not line[0].isspace()), len(lines))
    body = textwrap.indent(textwrap.dedent("\n".join(lines[:end])), _indentation(head))
    yield "\n".join((head.rstrip(), body, *lines[end:]))


def _indentation(head: str) -> str:
    """The indentation of the body of a module's last function."""
    lines = [line for line in head.split("\n") if line.strip()] or [""]
    margin = lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())]
    return margin + "    " if lines[-1].rstrip().endswith(":") else margin

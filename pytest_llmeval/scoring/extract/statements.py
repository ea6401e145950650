"""Find Python in a text that may also hold prose, marks of other tools, or copies of a terminal.

A text that Python's parser accepts is one piece. Otherwise the changes in ``REPAIRS`` are made one after
another until the parser accepts it. Otherwise the text is split into statements, each a line with the deeper
lines that follow, and the parser decides which of them are Python.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_llmeval.scoring.extract.repairs import REPAIRS
from pytest_llmeval.scoring.python_source import (
    DEFINITIONS,
    HEAD,
    IMPORTS,
    NOT_PYTHON,
    is_function_body,
    syntax_tree,
)

#: words and signs to parse for one text: 50,000 characters of usual code, at up to 4 µs each
PARSED_TOKENS = 10_000
_CALL = 10  #: what a call of the parser costs, in tokens
_LONGEST = 100_000  #: characters to parse at once
_LONGEST_REPAIRED = 20_000  #: characters
_LONGEST_STATEMENT = 6_000  #: characters, in a text that is not all Python
_TOKEN = re.compile(r"\w+|[^\w\s]|\n")

#: how a line of Python can begin, to spare the parser most lines of prose
START = re.compile(
    r"[ \t]*(?:@|(?:def|class|async|import|from|if|for|while|try|with|return|raise|assert|global|nonlocal"
    r"|del|pass|break|continue|yield|match|print|await)\b"
    r"|[A-Za-z_][\w.]*(?:\[[^\n]*\])?[ \t]*(?:,[\w \t,.*()\[\]]*=|[-+*/%&|^@<>]{0,3}=|\("
    r"|:[\w.\[\], \t]+=))"
)
_WORD_ALONE = re.compile(r"[ \t]*(?:[\w.]+[ \t]*$|['\"\[(])")
_FIRST_CODE = re.compile(r"(?:[ \t]*+(?:#[^\n]*)?\n)*+([^\n]+)")
_GOES_ON = re.compile(r"[ \t]*(?:else|elif|except|finally|case)\b|[ \t]*[)\]}]")
_LEXEME = re.compile(r"#[^\n]*|'''|\"\"\"|'(?:[^'\\\n]|\\.)*+'?|\"(?:[^\"\\\n]|\\.)*+\"?|[()\[\]{}\n]", re.S)
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Piece:
    """Python source with its syntax tree.

    ``is_body`` says that it is the inside of a function, ``is_whole`` that its text held nothing else.
    """

    source: str
    tree: ast.Module
    is_body: bool
    is_whole: bool

    @property
    def defines(self) -> bool:
        """Whether it defines a function or class, or imports something."""
        return self._has((*DEFINITIONS, *IMPORTS)) or any(
            isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) for node in self.tree.body
        )

    @property
    def binds(self) -> bool:
        """Whether it defines, imports or assigns something."""
        return self.defines or self._has((ast.Assign, ast.AugAssign, ast.If, ast.Try, ast.With))

    @property
    def does_something(self) -> bool:
        """Whether it is more than names, values and comparisons, which prose can look like."""
        return not all(map(_is_like_prose, self.tree.body))

    def _has(self, kinds: tuple[type[ast.stmt], ...]) -> bool:
        return any(isinstance(node, kinds) for node in self.tree.body)


def _definitions(pieces: list[Piece]) -> int:
    return sum(isinstance(node, (*DEFINITIONS, *IMPORTS)) for piece in pieces for node in piece.tree.body)


def _tokens(text: str) -> int:
    """About how many tokens the parser would read."""
    return len(_TOKEN.findall(text))


def _begins(text: str) -> bool:
    """Whether the first line of code can be Python."""
    line = _FIRST_CODE.match(text)
    return line is not None and (START.match(line[1]) or _WORD_ALONE.match(line[1])) is not None


def _is_like_prose(node: ast.stmt) -> bool:
    """Whether a statement is only a name, value or comparison: a heading, a mark such as ``[BEGIN]``."""
    if isinstance(node, ast.AnnAssign):
        return node.value is None
    return isinstance(node, ast.Expr) and not isinstance(
        node.value, (ast.Call, ast.Await, ast.Yield, ast.YieldFrom)
    )


def _without_words(text: str, tree: ast.Module) -> str:
    """Remove the lines of statements that are like prose from the source of a module that has others."""
    words = [node for node in tree.body if _is_like_prose(node)]
    if not words or len(words) == len(tree.body):
        return text
    lines = text.split("\n")
    used = {line for node in tree.body if not _is_like_prose(node) for line in (node.lineno, node.end_lineno)}
    for node in words:
        span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if not used.intersection(span) and not isinstance(getattr(node, "value", None), ast.Constant):
            lines[span.start - 1 : span.stop - 1] = [""] * len(span)
    return "\n".join(lines)


@dataclass(slots=True)
class StatementReader:
    """Reads the pieces of texts. Parses at most ``budget`` tokens, so that it takes linear time."""

    budget: int = PARSED_TOKENS

    def pieces(self, text: str) -> list[Piece]:
        """The Python in a text with newlines ``\\n``, in order."""
        if self.budget <= _CALL:
            return []
        repaired = text
        if len(text) <= _LONGEST:
            for repair in (_unchanged, *(REPAIRS if len(text) <= _LONGEST_REPAIRED else ())):
                before, repaired = repaired, repair(repaired)
                if repaired == before and repair is not _unchanged:
                    continue
                if (piece := self._piece(dedented(repaired), is_whole=True)) is not None:
                    return [piece]
            body = _indent_first_line(repaired) if len(text) <= _LONGEST_REPAIRED else repaired
            if body != repaired and (piece := self._piece(body, is_whole=True)) is not None:
                return [piece]
        found = list(self._runs(text))
        # repairs may also change strings, so they must gain something
        others = list(self._runs(repaired)) if repaired != text else []
        return others if _definitions(others) > _definitions(found) else found

    def _piece(self, text: str, *, is_whole: bool) -> Piece | None:
        tree = self._parsed(text)
        if tree is None:
            return None
        return Piece(_without_words(text, tree), tree, is_function_body(tree), is_whole)

    def _parsed(self, text: str) -> ast.Module | None:
        if len(text) > _LONGEST or not _begins(text):
            return None
        cost = _tokens(text) + _CALL
        if cost > self.budget:
            return None
        try:
            tree = syntax_tree(text)
        except NOT_PYTHON as error:
            line = error.lineno if isinstance(error, SyntaxError) and error.lineno else len(text)
            read = sum(map(len, text.split("\n", line)[:line])) / max(1, len(text))
            # the parser stops at a mistake, but goes through the rest for a better message
            self.budget -= min(cost, int(cost * (read + 1 / 8)) + _CALL)
            return None
        self.budget -= cost
        return tree if tree.body else None

    def _runs(self, text: str) -> Iterator[Piece]:
        """The longest runs of statements at one level of indentation."""
        lines = _Lines(text.split("\n"))
        run: list[str] = []
        at = level = 0
        while at < len(lines.texts) and self.budget > _CALL:
            line = lines.texts[at]
            if not _is_code(line):
                run.append("")
                at += 1
                continue
            if not START.match(line):
                if run:
                    yield from self._run(run)
                    run = []
                at += 1
                continue
            unit = self._unit(lines, at)
            if unit is None and level and _indent(line) == level:
                run = []  # a function's body with a mistake
            if unit is None or (any(run) and _indent(line) != level):
                yield from self._run(run)
                run = []
            if unit is None:
                at = lines.after_mistake(at)
                continue
            level = _indent(line)
            source, at = unit
            run.append(source)
        yield from self._run(run)

    def _run(self, run: list[str]) -> Iterator[Piece]:
        source = "\n".join(run).strip("\n")
        if source and (piece := self._piece(source, is_whole=False)) is not None:
            yield piece

    def _unit(self, lines: _Lines, at: int) -> tuple[str, int] | None:
        """The statement that begins at a line, not indented, and the line after it."""
        end, length = lines.statement_end(at, _LONGEST_STATEMENT)
        self.budget -= length // 8
        if length > _LONGEST_STATEMENT:
            return None
        unit = dedented("\n".join(lines.texts[at:end]))
        for source in dict.fromkeys((unit, _indent_first_line(unit))):
            if self._parsed(source) is not None:
                return source, end
        return None


@dataclass(slots=True)
class _Lines:
    texts: list[str]

    def statement_end(self, start: int, most: int) -> tuple[int, int]:
        """The line after the statement that begins at line ``start``, and its number of characters.

        Strings and brackets are followed over lines. Gives up after ``most`` characters.
        """
        level = _indent(self.texts[start])
        quote, depth, length, end = "", 0, 0, start
        decorated = False
        while end < len(self.texts):
            line = self.texts[end]
            inside = quote or depth > 0
            code = _is_code(line)
            if end > start and not inside and code and not decorated:
                deeper = _indent(line) > level
                if not deeper and not (_indent(line) == level and _GOES_ON.match(line)):
                    break
            length += len(line) + 1
            if length > most:
                break
            if not inside and code:
                decorated = line.lstrip().startswith("@")
            quote, depth = _state_after(line, quote, depth)
            end += 1
        while end > start + 1 and not _is_code(self.texts[end - 1]):
            end -= 1
        return end, length

    def after_mistake(self, start: int) -> int:
        """The line to go on with after one that looks like Python and is not.

        A definition with a mistake takes its body with it, and a line of a function's body the rest of it.
        """
        level = _indent(self.texts[start])
        if level == 0 and not HEAD.match(self.texts[start]):
            return start + 1
        least = max(level, 1)
        for at in range(start + 1, len(self.texts)):
            line = self.texts[at]
            if line.strip() and (_indent(line) < least or (_indent(line) == level and HEAD.match(line))):
                return at
        return len(self.texts)


def _state_after(line: str, quote: str, depth: int) -> tuple[str, int]:
    """The open triple quote and the number of open brackets after a line."""
    position = 0
    while position < len(line):
        if quote:
            closed = line.find(quote, position)
            if closed < 0:
                return quote, depth
            if line[closed - 1 : closed] == "\\" and line[max(0, closed - 2) : closed - 1] != "\\":
                position = closed + 1
                continue
            position, quote = closed + 3, ""
            continue
        match = _LEXEME.search(line, position)
        if match is None:
            break
        lexeme, position = match[0], match.end()
        if lexeme in ("'''", '"""'):
            quote = lexeme
        elif lexeme in _OPENING:
            depth += 1
        elif lexeme in _CLOSING:
            depth = max(0, depth - 1)
    return quote, depth


def _unchanged(text: str) -> str:
    return text


def dedented(text: str) -> str:
    """``textwrap.dedent``, which also empties blank lines, of a text that begins with blanks."""
    return textwrap.dedent(text) if text.lstrip("\n")[:1].isspace() else text


def _is_code(line: str) -> bool:
    """Whether a line is neither blank nor a comment."""
    return line.lstrip()[:1] not in ("", "#")


def _indent(line: str) -> int:
    expanded = line.expandtabs(8)
    return len(expanded) - len(expanded.lstrip())


def _indent_first_line(text: str) -> str:
    """Give the first line the least indentation of the others: models and servers strip it."""
    first, newline, rest = text.partition("\n")
    others = [line for line in rest.split("\n") if line.strip()]
    if not others or first[:1].isspace():
        return text
    least = min(others, key=_indent)
    return textwrap.dedent(least[: len(least) - len(least.lstrip())] + first + newline + rest)

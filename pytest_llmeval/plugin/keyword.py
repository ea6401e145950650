"""Decides whether ``-k`` can select any question of a benchmark, before the benchmark's data is read.

A question's item is named ``test_ceval[SUBJECT-NUMBER]`` or ``test_ceval[SUBJECT-NUMBER-MODEL]``; only the
number is unknown in advance. Whether some words of the expression match may depend on the number. The
expression may select an item if, for some subject, any combination of truth values of these words makes it
true. So no item that pytest would select is lost.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable

from pytest_llmeval.plugin.pytest_internals import KeywordExpression, keyword_expression

_DIGITS = re.compile("[0-9]+")
#: an expression with more words that depend on the number counts as selecting
_MAX_OPEN_WORDS = 8


def syntax_problem(option: str, expression: str) -> str | None:
    """pytest's error message for an invalid ``-k`` or ``-m`` expression; None if it is valid."""
    try:
        keyword_expression(expression)
    except SyntaxError as error:
        return f"Wrong expression passed to '{option}': {expression}: at column {error.offset}: {error.msg}"
    return None


def may_match(word: str, before: str, after: str) -> bool:
    """Whether ``word`` occurs in ``before + NUMBER + after`` for some whole number."""
    if word in before or word in after:
        return True
    return any(
        before.endswith(word[: digits.start()]) and after.startswith(word[digits.end() :])
        for digits in _DIGITS.finditer(word)
    )


def may_select(expression: str, matches: Callable[[str], bool], names: Iterable[tuple[str, str]]) -> bool:
    """Whether ``-k expression`` may select an item.

    ``matches(word)`` is whether a word matches every item (by file, function or markers). ``names`` are the
    parts before and after the number of each possible item's name. An invalid expression counts as
    selecting, because pytest itself reports the error.
    """
    try:
        compiled = keyword_expression(expression)
    except SyntaxError:
        return True
    words = compiled.words()
    common = {word for word in words if matches(word)}
    checked: set[tuple[frozenset[str], frozenset[str]]] = set()
    for before, after in names:
        parts = before.lower(), after.lower()
        true_words = frozenset(
            word for word in words if word in common or any(word.lower() in part for part in parts)
        )
        open_words = frozenset(word for word in words - true_words if may_match(word.lower(), *parts))
        if (true_words, open_words) in checked:
            continue
        checked.add((true_words, open_words))
        if len(open_words) > _MAX_OPEN_WORDS or _satisfiable(compiled, true_words, open_words):
            return True
    return False


def _satisfiable(
    expression: KeywordExpression, true_words: frozenset[str], open_words: frozenset[str]
) -> bool:
    """Whether the expression is true for some combination of truth values of ``open_words``."""
    for size in range(len(open_words) + 1):
        for subset in itertools.combinations(sorted(open_words), size):
            if expression.evaluate(true_words.union(subset).__contains__):
                return True
    return False

"""Whether ``-k`` can select any question of a benchmark, decided before its data is read.

A question's item is named ``test_ceval[SUBJECT-NUMBER]`` or ``test_ceval[SUBJECT-NUMBER-MODEL]``. Everything
but the number is known in advance. An expression may select an item if, for some subject, it is true for
some truth values of the words that depend on the number. So no item that pytest would select is lost.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable

from pytest_llmeval.plugin.pytest_internals import KeywordExpression, keyword_expression

_DIGITS = re.compile("[0-9]+")
_MOST_UNSURE = 8


def syntax_problem(option: str, expression: str) -> str | None:
    """pytest's message for a ``-k`` or ``-m`` expression that it cannot read; None if it can."""
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

    ``matches(word)`` is whether a word matches every item (by its file, function or markers); ``names``
    are the known parts of each possible item's name, before and after its number. An expression that
    pytest cannot read counts as selecting: pytest itself reports what is wrong with it.
    """
    try:
        compiled = keyword_expression(expression)
    except SyntaxError:
        return True
    words = compiled.words()
    always = {word for word in words if matches(word)}
    tried: set[tuple[frozenset[str], frozenset[str]]] = set()
    for before, after in names:
        low = before.lower(), after.lower()
        true = frozenset(w for w in words if w in always or any(w.lower() in part for part in low))
        unsure = frozenset(w for w in words - true if may_match(w.lower(), *low))
        if (true, unsure) in tried:
            continue
        tried.add((true, unsure))
        if len(unsure) > _MOST_UNSURE or _satisfiable(compiled, true, unsure):
            return True
    return False


def _satisfiable(compiled: KeywordExpression, true: frozenset[str], unsure: frozenset[str]) -> bool:
    for size in range(len(unsure) + 1):
        for chosen in itertools.combinations(sorted(unsure), size):
            if compiled.evaluate(true.union(chosen).__contains__):
                return True
    return False

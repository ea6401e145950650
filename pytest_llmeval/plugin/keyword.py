"""Whether ``-k`` can select any question of a benchmark, known before its data is read.

A question's item is called ``test_ceval[SUBJECT-NUMBER]`` or ``test_ceval[SUBJECT-NUMBER-MODEL]``:
all but the number is known beforehand. An expression may select something if, for some subject,
some truth values of the words that only the number decides make it true; so nothing that pytest
would keep is lost.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from typing import Any

from pytest_llmeval.plugin.pytest_internals import keyword_expression

_DIGITS = re.compile("[0-9]+")
_MOST_UNSURE = 8


def syntax_problem(option: str, expression: str) -> str | None:
    """What pytest says of an expression given to ``-k`` or ``-m`` that it cannot read."""
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
        before.endswith(word[: run.start()]) and after.startswith(word[run.end() :])
        for run in _DIGITS.finditer(word)
    )


def may_select(expression: str, matches: Callable[[str], bool], names: Iterable[tuple[str, str]]) -> bool:
    """Whether ``-k expression`` may select an item.

    ``matches(word)`` tells what holds for every item (its file, function and markers); ``names``
    are the known parts of each possible item's name, before and after its number. An expression
    that pytest cannot read counts as selecting: pytest itself will say what is wrong with it.
    """
    try:
        compiled = keyword_expression(expression)
    except SyntaxError:
        return True
    words = compiled.idents()
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


def _satisfiable(compiled: Any, true: frozenset[str], unsure: frozenset[str]) -> bool:
    for size in range(len(unsure) + 1):
        for chosen in itertools.combinations(sorted(unsure), size):
            held = true.union(chosen)
            if compiled.evaluate(lambda word, /, _held=held, **_: word in _held):
                return True
    return False

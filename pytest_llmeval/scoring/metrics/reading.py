"""Metrics of reading comprehension: token F1 and exact match, by the rules of SQuAD or DROP.

SQuAD (Rajpurkar et al., arXiv:1606.05250): ``evaluate-v1.1.py`` and, for questions without an answer,
``evaluate-v2.0.py``. DROP (Dua et al., arXiv:1903.00161): ``drop_eval.py`` of AllenNLP. The rules are those
of the scripts: lower case, no punctuation, no articles, single blanks; F1 of the words that both have; the
best score over the gold answers. DROP also splits at hyphens, compares numbers by value, and demands one of
the gold answer's numbers. An answer of several spans is a list of texts in the list of gold answers.
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics.base import Score, Scores, checked

_MAX_CHARACTERS = 20_000
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)
_RULES = ("squad", "drop")
#: scores a text against one gold answer, which has one span or several
Rule = Callable[[str, Sequence[str]], tuple[float, float]]


def make_f1(options: Mapping[str, object], where: str) -> Score:
    """The F1 of words, from 0 to 1; ``rules`` is ``squad`` or ``drop``. Raises ``UserError``.

    Scores have the exact match as ``em``, as the scripts report both.
    """
    rule = _rule(options, where)

    def score(answer: str, question: Question) -> Scores:
        exact, f1 = zip(*(rule(answer, gold) for gold in golds(question)), strict=True)
        return Scores(max(f1), {"em": max(exact)})

    return score


def make_em(options: Mapping[str, object], where: str) -> Score:
    """1 if the words are the gold answer's; ``rules`` is ``squad`` or ``drop``. Raises ``UserError``."""
    rule = _rule(options, where)
    return lambda answer, question: max(rule(answer, gold)[0] for gold in golds(question))


def _rule(options: Mapping[str, object], where: str) -> Rule:
    rules = checked(options, {"rules": "squad"}, where)["rules"]
    if rules not in _RULES:
        raise UserError(f"{where}: rules: {rules!r} is none of {', '.join(_RULES)}")
    return squad if rules == "squad" else drop


def golds(question: Question) -> list[list[str]]:
    """The gold answers, each a list of spans: one text, or a JSON list of texts and lists of texts."""
    gold = question.answer or ""
    if gold.startswith("["):
        try:
            answers = json.loads(gold)
        except (ValueError, RecursionError):
            return [[gold]]
        if isinstance(answers, list):
            lists = [answer if isinstance(answer, list) else [answer] for answer in answers]
            if all(isinstance(span, str) for spans in lists for span in spans):
                return lists or [[""]]  # no gold answer: the question has none
    return [[gold]]


def squad(answer: str, gold: Sequence[str]) -> tuple[float, float]:
    """Exact match and F1, by SQuAD's rules."""
    left, right = _squad_words(answer), _squad_words(" ".join(gold))
    exact = float(left == right)
    if not left or not right:
        return exact, exact
    common = (Counter(left) & Counter(right)).total()
    return exact, 2 * common / (len(left) + len(right))


def _squad_words(text: str) -> list[str]:
    lowered = "".join(char for char in text[:_MAX_CHARACTERS].lower() if char not in _PUNCTUATION)
    return _ARTICLES.sub(" ", lowered).split()


def drop(answer: str, gold: Sequence[str]) -> tuple[float, float]:
    """Exact match and F1, by DROP's rules for an answer of one span."""
    span = _drop_words(answer)
    spans = [_drop_words(text) for text in gold]
    exact = float(len(spans) == 1 and " ".join(span) == " ".join(spans[0]))
    bag, bags = set(span), [set(words) for words in spans]
    best = max((_drop_f1(bag, other) for other in bags), default=0.0)
    # the spans that the answer does not have count as 0; rounded as in the script
    return exact, round(best / max(1, len(bags)), 2)


def _drop_f1(answer: set[str], gold: set[str]) -> float:
    numbers = {word for word in gold if _is_number(word)}
    if numbers and not numbers & answer:
        return 0.0
    common = len(answer & gold)
    precision = common / len(answer) if answer else 1.0
    recall = common / len(gold) if gold else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _drop_words(text: str) -> list[str]:
    words = []
    for token in re.split(r"[ -]", text[:_MAX_CHARACTERS]):
        word = token.lower()
        if not _is_number(word):
            word = "".join(char for char in word if char not in _PUNCTUATION)
        if _is_number(word):
            word = str(float(word))
        words += _ARTICLES.sub(" ", word).split()
    return words


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

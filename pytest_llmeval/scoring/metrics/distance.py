"""Graded metrics of characters and edits: chrF, edit similarity, and one minus the word error rate.

chrF is that of Popović 2015, computed by sacrebleu (chrF2, character n-grams up to 6; chrF++ with
``word_order = 2``). The edit distance is Levenshtein's (1966), computed with the bit vectors of Hyyrö (2003).
The word error rate is the number of edits between answer and gold answer as a share of the gold answer's
words (as in NIST's sclite); Chinese, Japanese and Korean text is compared by characters. With several gold
answers, the best score counts.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics.base import Score, checked, references
from pytest_llmeval.scoring.metrics.overlap import words
from pytest_llmeval.scoring.metrics.texts import normalise

_MAX_CHARACTERS = 20_000
_MAX_WORD_ORDER = 6
_EXTRA = 'pip install "pytest-llmeval-harness[metrics]"'


def make_chrf(options: Mapping[str, object], where: str) -> Score:
    """Sentence chrF from 0 to 1; ``word_order = 2`` is chrF++. Raises ``UserError``."""
    settings = checked(options, {"word_order": 0}, where)
    if not 0 <= settings["word_order"] <= _MAX_WORD_ORDER:
        raise UserError(f"{where}: word_order: {settings['word_order']} is not from 0 to {_MAX_WORD_ORDER}")
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        raise UserError(f"{where}: chrf needs the package sacrebleu: {_EXTRA}") from None
    scorer = CHRF(word_order=settings["word_order"])

    def score(answer: str, question: Question) -> float:
        golds = references(question)
        return min(1.0, float(scorer.sentence_score(answer[:_MAX_CHARACTERS], golds).score) / 100)

    return score


def make_edit_similarity(options: Mapping[str, object], where: str) -> Score:
    """1 minus the edit distance of characters as a share of the longer text. Raises ``UserError``."""
    settings = checked(options, {"ignore_case": True}, where)

    def score(answer: str, question: Question) -> float:
        text = normalise(answer[:_MAX_CHARACTERS], case=settings["ignore_case"])
        golds = (
            normalise(gold[:_MAX_CHARACTERS], case=settings["ignore_case"]) for gold in references(question)
        )
        return max(1 - edit_distance(text, gold) / max(1, len(text), len(gold)) for gold in golds)

    return score


def make_wer(options: Mapping[str, object], where: str) -> Score:
    """1 minus the word error rate, at least 0. Raises ``UserError``."""
    checked(options, {}, where)

    def score(answer: str, question: Question) -> float:
        text = words(answer[:_MAX_CHARACTERS])
        golds = (words(gold[:_MAX_CHARACTERS]) for gold in references(question))
        return max(max(0.0, 1 - edit_distance(text, gold) / max(1, len(gold))) for gold in golds)

    return score


def edit_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and replacements that turn ``one`` into ``other``.

    The time is proportional to the length of ``other`` times that of ``one`` in machine words.
    """
    if not one or not other:
        return max(len(one), len(other))
    places: dict[Hashable, int] = {}
    for at, item in enumerate(one):
        places[item] = places.get(item, 0) | 1 << at
    full, last, distance = (1 << len(one)) - 1, 1 << (len(one) - 1), len(one)
    rises, falls = full, 0  # of the distance from one row of the table to the next
    for item in other:
        equal = places.get(item, 0)
        diagonal = ((((equal & rises) + rises) ^ rises) | equal | falls) & full
        right_rises = falls | (full & ~(diagonal | rises))
        right_falls = rises & diagonal
        distance += bool(right_rises & last) - bool(right_falls & last)
        right_rises = (right_rises << 1 | 1) & full
        right_falls = right_falls << 1 & full
        rises = right_falls | (full & ~(diagonal | right_rises))
        falls = right_rises & diagonal
    return distance

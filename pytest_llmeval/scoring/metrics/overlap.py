"""Graded metrics of word overlap between answer and gold answer, computed by the usual libraries.

ROUGE-L is that of Lin 2004: the F-measure of rouge-score. BLEU is that of Papineni et al. 2002: sentence
BLEU of sacrebleu with effective order, whose mean over sentences is not corpus BLEU. With several gold
answers, ROUGE-L takes the best score, and BLEU uses all of them as references. Chinese, Japanese and Korean
text is split into characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics.base import Score, checked, references

#: finding the longest common subsequence takes time proportional to the product of the lengths
_MAX_CHARACTERS = 20_000
_WIDE = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_HAS_WIDE = re.compile(f"[{_WIDE}]")
_WORD = re.compile(rf"[{_WIDE}]|[^\W_{_WIDE}]+")
_EXTRA = 'pip install "pytest-llmeval-harness[metrics]"'


def words(text: str) -> list[str]:
    """Split ``text`` into lower-case words and single wide characters."""
    return _WORD.findall(text.casefold())


class _Words:
    """A tokenizer for all scripts; that of rouge-score drops everything but ASCII."""

    def tokenize(self, text: str) -> list[str]:
        """See ``words``."""
        return words(text)


def make_rouge_l(options: Mapping[str, object], where: str) -> Score:
    """The F-measure of ROUGE-L; ``stemmer = true`` compares the stems of English words."""
    settings = checked(options, {"stemmer": False}, where)
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise UserError(f"{where}: rouge_l needs the package rouge-score: {_EXTRA}") from None
    english = RougeScorer(["rougeL"], use_stemmer=settings["stemmer"])
    others = RougeScorer(["rougeL"], tokenizer=_Words())

    def score(answer: str, question: Question) -> float:
        text = answer[:_MAX_CHARACTERS]
        return max(
            float((english if gold.isascii() else others).score(gold, text)["rougeL"].fmeasure)
            for gold in references(question)
        )

    return score


def make_bleu(options: Mapping[str, object], where: str) -> Score:
    """Sentence BLEU from 0 to 1, with the tokenizer 13a, or zh if a gold answer has wide characters."""
    checked(options, {}, where)
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise UserError(f"{where}: bleu needs the package sacrebleu: {_EXTRA}") from None
    plain, wide = BLEU(effective_order=True), BLEU(effective_order=True, tokenize="zh")

    def score(answer: str, question: Question) -> float:
        golds = references(question)
        scorer = wide if any(map(_HAS_WIDE.search, golds)) else plain
        return min(1.0, float(scorer.sentence_score(answer[:_MAX_CHARACTERS], golds).score) / 100)

    return score

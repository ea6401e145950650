"""Graded metrics over the words that answer and gold answer share, by the libraries of published scores.

ROUGE-L: Lin 2004, by rouge-score (its F-measure). BLEU: Papineni et al. 2002, of each sentence by sacrebleu
with effective order; the mean over sentences is not corpus BLEU. Of several gold answers the best counts
(ROUGE-L), or all are references (BLEU). A text with Chinese, Japanese or Korean in it is taken by characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Question
from pytest_llmeval.scoring.metrics.base import Score, checked, references

#: the longest common subsequence takes time with the product of lengths; no answer of a model is longer
_MOST_CHARACTERS = 20_000
_WIDE = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_HAS_WIDE = re.compile(f"[{_WIDE}]")
_WORD = re.compile(rf"[{_WIDE}]|[^\W_{_WIDE}]+")
_EXTRA = 'pip install "pytest-llmeval-harness[metrics]"'


class _Words:
    """rouge-score's own tokenizer drops everything but ASCII."""

    def tokenize(self, text: str) -> list[str]:
        """Words in lower case; wide characters one by one."""
        return _WORD.findall(text.casefold())


def make_rouge_l(options: Mapping[str, object], where: str) -> Score:
    """ROUGE-L's F-measure; ``stemmer = true`` takes English words by their stems."""
    given = checked(options, {"stemmer": False}, where)
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise UserError(f"{where}: rouge_l needs the package rouge-score: {_EXTRA}") from None
    english = RougeScorer(["rougeL"], use_stemmer=given["stemmer"])
    others = RougeScorer(["rougeL"], tokenizer=_Words())

    def score(answer: str, question: Question) -> float:
        text = answer[:_MOST_CHARACTERS]
        return max(
            float((english if gold.isascii() else others).score(gold, text)["rougeL"].fmeasure)
            for gold in references(question)
        )

    return score


def make_bleu(options: Mapping[str, object], where: str) -> Score:
    """Sentence BLEU from 0 to 1, sacrebleu's tokenizer 13a, or zh where a gold answer has wide characters."""
    checked(options, {}, where)
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise UserError(f"{where}: bleu needs the package sacrebleu: {_EXTRA}") from None
    plain, wide = BLEU(effective_order=True), BLEU(effective_order=True, tokenize="zh")

    def score(answer: str, question: Question) -> float:
        golds = references(question)
        scorer = wide if any(map(_HAS_WIDE.search, golds)) else plain
        return min(1.0, float(scorer.sentence_score(answer[:_MOST_CHARACTERS], golds).score) / 100)

    return score

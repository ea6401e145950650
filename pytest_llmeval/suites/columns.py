"""What columns of questions are usually called, in files of people and of published benchmarks.

Names are compared without case, blanks, underscores and hyphens, and with full-width letters as plain ones
(``canonical``). Lists are in the order of preference.
"""

from __future__ import annotations

import itertools
import re
import string
import unicodedata
from collections.abc import Collection, Sequence

QUESTION = (
    *("question", "prompt", "problem", "query", "question_stem", "stem", "question_text", "goal"),
    *("问题", "题目", "题干", "instruction", "task", "input", "ctx", "startphrase", "sentence", "inputs"),
)
#: texts before a question, which is about them
CONTEXT = (
    *("passage", "context", "article", "paragraph", "story", "document", "background", "body", "premise"),
    *("support", "transcript", "dialogue", "dialog", "excerpt", "scenario", "instruction"),
    *("文章", "材料", "阅读材料", "背景", "上下文", "篇章", "段落", "原文"),
)
#: question columns that are followed by the text they are about, and the names of that text
TASK = ("instruction", "task")
INPUT = ("input",)
#: columns of chat turns; other columns that hold turns are noticed by their content
MESSAGES = ("messages", "conversations", "conversation", "chat")
ANSWER = (
    *("answer", "target", "expected", "gold", "final_answer", "答案", "answer_key", "correct_answer"),
    *("right_answer", "best_answer", "ideal", "expected_answer", "expected_output", "reference_answer"),
    *("gold_answer", "ground_truth", "正确答案", "标准答案", "参考答案", "answers", "targets", "reference"),
    *("output", "completion"),
)
#: columns that name a choice, beside those of ``ANSWER``
CHOSEN = (
    *("correct_option", "right_option", "correct_choice", "correct", "正确选项", "label", "gold_label"),
    *("answer_label", "answer_letter", "cop", "answer_index", "answer_idx", "correct_index", "correct_idx"),
    *("correct_answer_index", "correct_option_index", "gold_index", "gold_idx", "label_index", "labels"),
    "multiple_choice_scores",
)
#: columns whose whole numbers count from 0 by convention: labels of classes, and positions in a list
COUNTED_FROM_ZERO = re.compile(r"label|gold\w*|\w*(?:index|idx)")
#: columns with a list of the choices
CHOICE_LIST = (
    *("choices", "options", "endings", "answer_choices", "answer_options", "candidates", "alternatives"),
    *("choice", "option", "option_list", "choice_list", "mc1_targets", "multiple_choice_targets"),
    *("选项", "选项列表", "候选项", "answers"),
)
#: what comes before the letter or number of a choice in the names of choices' columns
_CHOICE = (
    "",
    "option",
    "opt",
    "op",
    "choice",
    "ending",
    "candidate",
    "alternative",
    "选项",
    "候选",
    "候选项",
)
#: the same, of columns that may also be answers to an open question
_ANSWER_CHOICE = ("answer", "ans", "sol", "solution", "hyp", "hypothesis")
#: wrong choices, each a column with or without a number, or a list of them
_DISTRACTOR = re.compile(
    r"(?:distractor|(?:incorrect|wrong)(?:answer|option|choice)?|错误答案|错误选项|干扰项)s?(?:\d+|[a-z])?"
)
SUBJECT = ("subject", "学科", "科目")
ID = ("id",)


def canonical(name: str) -> str:
    """A column's name for comparisons: ``Option_A``, ``option-a`` and ``ＯｐｔｉｏｎＡ`` are ``optiona``."""
    return re.sub(r"[\s_.-]+", "", unicodedata.normalize("NFKC", name)).casefold()


def find_column(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first column with one of ``names``, in the order of ``names``."""
    return next(iter(find_columns(names, columns)), None)


def find_columns(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """All columns with one of ``names``, in the order of ``names``."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(canonical(column), column)
    return [by_name[key] for name in names if (key := canonical(name)) in by_name]


def choice_columns(columns: Sequence[str], *, answers: bool) -> list[str]:
    """The columns with a choice each, in order: A, B, C; ``option1``, ``option2``; ``选项A``, ``选项B``.

    Letters begin with A, numbers with 0 or 1. With ``answers``, the names of answers count too.
    """
    prefixes = (*_CHOICE, *_ANSWER_CHOICE) if answers else _CHOICE
    by_name = {canonical(column): column for column in reversed(columns)}
    for prefix, start in itertools.product(prefixes, ("a", "0", "1")):
        if prefix == "" and start != "a" and "0" in by_name:
            continue  # columns numbered from 0 are those of a table without a header
        series = [by_name[name] for name in _series(prefix, start, by_name)]
        if len(series) > 1:
            return series
    return []


def _series(prefix: str, start: str, names: Collection[str]) -> list[str]:
    suffixes = string.ascii_lowercase if start == "a" else map(str, itertools.count(int(start)))
    return list(itertools.takewhile(lambda name: name in names, (prefix + suffix for suffix in suffixes)))


def distractor_columns(columns: Sequence[str]) -> list[str]:
    """The columns with wrong choices, in the order of the file."""
    return [column for column in columns if _DISTRACTOR.fullmatch(canonical(column))]


def first_number(column: str) -> int | None:
    """The number at the end of a column's name, or None."""
    match = re.search(r"\d+$", canonical(column))
    return int(match[0]) if match else None

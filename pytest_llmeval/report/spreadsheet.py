"""questions.csv: all questions of a run with their answers, for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path

from pytest_llmeval.core.hostile_text import cut
from pytest_llmeval.results.question_log import read_records
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.record_fields import finite
from pytest_llmeval.results.run_folder import QUESTIONS, encode, replacing, writing

SHEET = "questions.csv"
#: Excel's limit for the characters of a cell
CELL_CHARACTERS = 32_767
_CUT = f" … (cut; {QUESTIONS} has all of it)"
#: tells Excel that the file is UTF-8
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: Excel refuses files with them; tabs and line feeds are kept
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f]")
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_COLUMNS = (
    "id", "model", "benchmark", "subject", "question", "choices", "gold", "answer", "outcome", "score",
    "text", "reasoning", "finish_reason", "prompt_tokens", "completion_tokens", "latency_s", "cached",
    "repeat", "error",
)  # fmt: skip


def text_cell(text: str) -> str:
    """A text as a spreadsheet shows it instead of running it as a formula: after an apostrophe.

    >>> text_cell("=1+1"), text_cell("1+1")
    ("'=1+1", '1+1')
    """
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def write_sheet(folder: Path) -> None:
    """Write questions.csv from the folder's questions.jsonl, with a row for each line.

    Raises ``LLMEvalError`` naming the folder.
    """
    with writing(folder), replacing(folder / SHEET) as file:
        file.write(_BYTE_ORDER_MARK)
        file.write(_line(dict(zip(_COLUMNS, _COLUMNS, strict=True))))
        for record in read_records(folder / QUESTIONS):
            file.write(_line(_row(record)))


def _line(row: Mapping[str, object]) -> bytes:
    out = io.StringIO()
    csv.DictWriter(out, _COLUMNS).writerow(row)
    return encode(out.getvalue())


def _row(record: Record) -> dict[str, object]:
    completion = record.completion
    texts = {
        "id": record.id,
        "model": record.model,
        "benchmark": record.benchmark,
        "subject": record.subject,
        "question": record.question or record.prompt,
        "choices": "\n".join(f"{label}. {text}" for label, text in record.choices.items()),
        "gold": record.target or "",
        "answer": record.answer or "",
        "text": completion.text,
        "reasoning": completion.reasoning,
        "finish_reason": completion.finish_reason,
        "error": completion.error or "",
    }
    return {
        **{key: _long_cell(text) for key, text in texts.items()},
        "outcome": record.outcome.value,
        "score": None if record.score is None else finite(record.score),
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "latency_s": finite(round(completion.latency_s, 6)),
        "cached": completion.cached,
        "repeat": record.repeat,
    }


def _long_cell(text: str) -> str:
    shown = text_cell(_CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    if len(shown) <= CELL_CHARACTERS:
        return shown
    return cut(shown, CELL_CHARACTERS - len(_CUT)) + _CUT

"""The extractors ``text``, ``verbatim`` and ``json``, and the short answer that a text states."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from pytest_llmeval.scoring.extract.announced import Kind, announcements
from pytest_llmeval.scoring.extract.reasoning import split_reasoning
from pytest_llmeval.scoring.extract.turns import reply

_TAIL = 14_000
_MAX_ATTEMPTS = 400
_FENCE = re.compile(r"```[ \t]*(?:json[c5l]?|javascript|js)?[ \t]*\n(.{1,100000}?)```", re.I | re.S)
_OPENING = re.compile(r"[\[{]")
#: a bracket that begins JSON or something meant as JSON, unlike ``{a, b}`` or ``[see below]``
_JSON_LIKE = re.compile(
    r"\{\s*(?:[\"'][^\"'\n]{0,200}[\"']|\w{1,40})\s*:|\{\s*\}|\{\s*$|\[\s*(?:[\[{\"\]]|(?:-?\d[\d.eE+-]*|true|false|null)\s*(?:[,\]]|$)|$)"
)
_STRING_OR_BRACKET = re.compile(r"\"(?:[^\"\\]|\\.)*+(?P<closed>\"?)|[\[\]{}]", re.S)
_BRACKET = re.compile(r"[\[\]{}]")
_CITATION = re.compile(r"\[\s*\d{1,3}(?:\s*[,-]\s*\d{1,3})*\s*\]")
_ANNOUNCED = re.compile(r"(?:[:=：`\n]|\b(?:is|are|be)|[是为])\s*$")
_LABEL = re.compile(r"[\s>*_`\"'“”]+")
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s?\{([^{}]{0,500})\}"
)


def text(reply_text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The whole text without reasoning, special tokens and surrounding blanks; None if it is empty."""
    del choices
    return reply(split_reasoning(reply_text)[0]) or None


def verbatim(reply_text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The whole text without reasoning, otherwise unchanged; None if it is blank."""
    del choices
    answer = split_reasoning(reply_text)[0]
    return answer if answer.strip() else None


def stated(answer: str) -> Iterator[str]:
    r"""The short answers that a text may state, for comparison with a gold answer.

    They are what its last explicit statement states, up to the end of the line and of the sentence:
    ``Answer: Paris``, ``\boxed{\text{Evelyn}}``, ``<answer>Paris</answer>``.
    """
    answer = answer[-_TAIL:]
    explicit = [statement for statement in announcements(answer) if statement.kind is not Kind.OUTCOME]
    if not explicit:
        return
    last = explicit[-1]
    if last.content is not None:
        yield _TEXT.sub(r"\1", _TEXT.sub(r"\1", last.content)).strip("$ ")
        return
    start = last.end
    label = _LABEL.match(answer, start)
    start = label.end() if label else start
    line = re.split(r"\n|</", answer[start : start + 1000], maxsplit=1)[0].rstrip(" *_`|}\"'”")
    line = _TEXT.sub(r"\1", line)
    if line.startswith("$") and line.rstrip(".").endswith("$"):
        line = line.rstrip(".").strip("$")
    yield line
    sentence = re.split(r"(?<=[.!?])\s|[。！？]", line, maxsplit=1)[0]
    if sentence != line:
        yield sentence


def json_value(reply_text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The JSON value of a text: the whole text, or the last object or list in it; None if it has none.

    A last value that is no valid JSON, or is cut off, gives None. A citation such as ``[1]`` is no value.
    """
    del choices
    body = reply(split_reasoning(reply_text)[0])
    decoder = json.JSONDecoder(parse_constant=_refuse)
    fences = [match[1].strip() for match in _FENCE.finditer(body)]
    for whole in (body, *fences[-1:]):
        if (end := _end_of_value(decoder, whole, 0)) is not None and end == len(whole):
            return whole
    last: str | None = None
    is_citation = False
    position = 0
    for _ in range(_MAX_ATTEMPTS):
        opening = _OPENING.search(body, position)
        if opening is None:
            break
        start = opening.start()
        end = _end_of_value(decoder, body, start)
        if end is None:
            if not _JSON_LIKE.match(body, start):
                position = start + 1
                continue
            last, is_citation = None, False
            position = _end_of_brackets(body, start)
            continue
        value = body[start:end]
        citation = _is_citation(body, start, end)
        if last is None or is_citation or not citation:
            last, is_citation = value, citation
        position = end
    return last


def _is_citation(body: str, start: int, end: int) -> bool:
    """Whether a list of numbers is a reference: ``as [1] says``, or a footnote that begins a line."""
    if not _CITATION.fullmatch(body, start, end):
        return False
    before = body[max(0, start - 8) : start]
    footnote = before.endswith("\n") and re.match(r"[^\S\n]*\w", body[end : end + 20]) is not None
    return footnote or _ANNOUNCED.search(before) is None


def _end_of_value(decoder: json.JSONDecoder, body: str, start: int) -> int | None:
    """The end of the JSON value at ``start``, or None if there is none."""
    try:
        return decoder.raw_decode(body, start)[1]
    except (ValueError, RecursionError):
        return None


def _end_of_brackets(body: str, start: int) -> int:
    """Where the bracket at ``start`` is closed; the end of the text if it is not."""
    depth, position, pattern = 0, start, _STRING_OR_BRACKET
    while (match := pattern.search(body, position)) is not None:
        position = match.end()
        if match[0] in "[{":
            depth += 1
        elif match[0] in "]}":
            depth -= 1
            if depth == 0:
                return position
        elif not match["closed"]:  # then no later quote begins a string that is closed
            position, pattern = match.start() + 1, _BRACKET
    return len(body)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")

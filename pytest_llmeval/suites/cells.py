"""The cells of a table: from the values of a file to texts, and from a text back to a list or an object.

Libraries write a missing cell as NaN, and turn whole numbers beside one into floats. Both are undone here.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

#: a row's line number, its cells by column, and its problem, if any
Row: TypeAlias = tuple[int, Mapping[str, str], str | None]
#: the same with values as the file has them
TypedRow: TypeAlias = tuple[int, Mapping[str, object], str | None]

_TEXT = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_TEXT_LIST = re.compile(rf"\[\s*(?:{_TEXT}[\s,]*)*\]", re.DOTALL)
_TEXTS = re.compile(_TEXT, re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_TOKEN = re.compile(
    rf"\s*(?:(?P<text>{_TEXT})|(?P<number>{_NUMBER.pattern})|(?P<name>[A-Za-z_][\w.]*)|(?P<mark>[][(){{}},:=]))",
    re.DOTALL,
)
_DECODER = json.JSONDecoder(parse_constant=lambda name: None if name == "NaN" else float(name))
_CONSTANTS = {"None": "None", "True": "True", "False": "False", "nan": "None", "NaN": "None"}
_LONGEST_LITERAL = 1_000_000


class JsonCell(str):
    """The JSON text of a cell that held a list or an object rather than a text."""

    __slots__ = ()


def text_rows(rows: Sequence[TypedRow]) -> list[Row]:
    """The rows with texts for values.

    A cell with NaN is empty, as is the text "nan" in a column of numbers. In a column with missing cells
    whose other cells are whole, ``7.0`` is ``7``.
    """
    missing, whole = _repairs(rows)
    return [(line, _texts(fields, missing, whole), problem) for line, fields, problem in rows]


def _repairs(rows: Sequence[TypedRow]) -> tuple[set[str], set[str]]:
    """The columns of numbers in which the text "nan" is a missing cell, and those of whole numbers."""
    columns: dict[str, list[object]] = defaultdict(list)
    gaps, marked = set(), set()
    for _, fields, problem in rows:
        for name, value in fields.items() if problem is None else ():
            if _is_missing(value):
                gaps.add(name)
            elif isinstance(value, str) and _is_nan_text(value):
                marked.add(name)
    if not gaps | marked:
        return set(), set()
    for _, fields, problem in rows:
        for name in (gaps | marked) & fields.keys() if problem is None else ():
            value = fields[name]
            if not (_is_missing(value) or value == "" or (isinstance(value, str) and _is_nan_text(value))):
                columns[name].append(value)
    missing = {name for name in marked if columns[name] and all(map(_is_number, columns[name]))}
    whole = {name for name in gaps if columns[name] and all(map(_is_whole, columns[name]))}
    return missing, whole


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _is_nan_text(text: str) -> bool:
    return len(text) <= 5 and text.strip().lower() == "nan"


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value.strip()) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _texts(fields: Mapping[str, object], missing: set[str], whole: set[str]) -> dict[str, str]:
    cells = {}
    for name, value in fields.items():
        if isinstance(value, str):
            cells[name] = "" if name in missing and _is_nan_text(value) else value
        elif name in whole and isinstance(value, float) and value.is_integer():
            cells[name] = str(int(value))
        else:
            cells[name] = _text(value)
    return cells


def _text(value: object) -> str:
    if _is_missing(value):
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    if not isinstance(value, (list, tuple, dict)):
        return text if not text.startswith('"') else str(value)
    if "NaN" in text:
        text = json.dumps(parse_json(text), ensure_ascii=False)
    return JsonCell(text)


def parse_json(text: str) -> object:
    """The JSON value of ``text``, with None for NaN. Raises ``ValueError`` or ``RecursionError``."""
    return _DECODER.decode(text)


def cell_value(text: str) -> object:
    """The list or object that a text states, as JSON or as Python and NumPy print it.

    Libraries that write CSV files print lists as ``['a', 'b']``, ``['a' 'b']`` or
    ``array(['a', 'b'], dtype=object)``. Raises ``ValueError``.
    """
    try:
        return parse_json(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        if not text.lstrip().startswith(("[", "{", "array(")) or len(text) > _LONGEST_LITERAL:
            raise
    try:
        if _TEXT_LIST.fullmatch(text.strip()):  # most lists, much faster
            items = _TEXTS.findall(text)
            return [ast.literal_eval(item) if "\\" in item else item[1:-1] for item in items]
        return json.loads(json.dumps(ast.literal_eval(_python_literal(text))))
    except (SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError("not a list") from None


def _python_literal(text: str) -> str:
    """Python source of a printed value: commas between adjacent items, no NumPy types. Raises ValueError."""
    source: list[str] = []
    position, after_item, in_type = 0, False, False
    text = text.rstrip()
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError("not a list")
        position, content = token.end(), token[0].strip()
        if in_type and content != ")":
            continue
        if token.lastgroup == "name":
            if content == "array":
                continue
            if content == "dtype":
                in_type = True
                if source and source[-1] == ",":
                    source.pop()
                continue
            content = _CONSTANTS.get(content, "")
            if not content:
                raise ValueError("not a list")
        in_type = False
        starts_item = token.lastgroup != "mark" or content in "[({"
        if starts_item and after_item:
            source.append(",")
        after_item = token.lastgroup != "mark" or content in "])}"
        source.append(content)
    return "".join(source)


def nested(value: object, name: str) -> object:
    """The value at a dotted name inside an object, as in ``question.stem``; None if it has none.

    A list on the way gives the list of its items' values: ``choices.text`` of a list of choices.
    """
    key, dot, rest = name.partition(".")
    if isinstance(value, list):
        found = [nested(item, name) for item in value]
        return found if any(item is not None for item in found) else None
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    return nested(value[key], rest) if dot and key in value else None


def with_nested(row: Row, columns: Sequence[str]) -> Row:
    """The row with further cells for dotted names of values inside its objects; a missing one is empty."""
    line, cells, problem = row
    found = {}
    for column in columns:
        root, _, rest = column.partition(".")
        cell = cells.get(root)
        if column not in cells and isinstance(cell, JsonCell):
            found[column] = _text(nested(parse_json(cell), rest)) if rest else cell
    return (line, {**cells, **found}, problem) if found else row


class _PrintedList(list[object]):
    """A list that prints as JSON."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


class _PrintedObject(dict[str, object]):
    """An object that prints as JSON."""

    def __str__(self) -> str:
        return json.dumps(self, ensure_ascii=False)


def template_value(cell: str) -> object:
    """A cell for templates: the list or the object that it holds, which prints as JSON, or its text."""
    if not isinstance(cell, JsonCell):
        return cell
    content = parse_json(cell)
    return _PrintedList(content) if isinstance(content, list) else _PrintedObject(content)  # type: ignore[call-overload]


def plain_text(cell: str) -> str:
    """A cell as text for a prompt: the texts of a list or an object, a line each."""
    return _lines(parse_json(cell)) if isinstance(cell, JsonCell) else cell


def gold_part(pattern: str, answer: str) -> str:
    """The part of a gold answer that ``answer_pattern`` finds: its first group, or the match; else empty."""
    match = re.search(pattern, answer)
    return (match[match.re.groups and 1] or "").strip() if match else ""


def gold_text(cell: str) -> str:
    """A gold answer's cell with a list or an object of several right answers, as a JSON list of texts.

    An object has them as ``text`` (SQuAD), or as ``value`` and ``aliases`` (TriviaQA); others stay.
    """
    if not isinstance(cell, JsonCell):
        return cell
    content = parse_json(cell)
    if isinstance(content, dict):
        content = content.get("text", content.get("aliases", content.get("value")))
    answers = content if isinstance(content, list) else [content]
    answers = [answer for answer in answers if answer is not None]
    if any(isinstance(answer, (list, dict)) for answer in answers) or (not answers and content != []):
        return cell
    texts = list(dict.fromkeys(answer if isinstance(answer, str) else _text(answer) for answer in answers))
    return json.dumps(texts, ensure_ascii=False) if len(texts) != 1 else texts[0]


def separated(gold: str, separator: str) -> str:
    """Gold answers with a separator between them as a JSON list of texts; one alone stays a text."""
    answers = list(dict.fromkeys(filter(None, map(str.strip, gold.split(separator)))))
    return json.dumps(answers, ensure_ascii=False) if len(answers) > 1 else "".join(answers)


def _lines(value: object) -> str:
    if isinstance(value, dict):
        parts = list(map(_lines, value.values()))
        flat = not any(isinstance(part, (list, dict)) for part in value.values())
        return (": " if flat else "\n").join(filter(None, parts))
    if isinstance(value, list):
        return "\n".join(filter(None, map(_lines, value)))
    return value if isinstance(value, str) else _text(value)

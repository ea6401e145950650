"""Decode the text of a data file: UTF-8, or UTF-16 and UTF-32 with a byte-order mark."""

from __future__ import annotations

import codecs
import contextlib
import re
from pathlib import Path

from pytest_llmeval.core.errors import UserError

#: byte-order marks; UTF-32's begins with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Chinese characters in GBK are pairs of high bytes; accented letters in a Western encoding stand alone
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
LINE_END = re.compile(r"\r\n?|\n")


def decode(raw: bytes, path: Path) -> str:
    """The text of a file, without its byte-order mark. Raises ``UserError`` with the line and a fix."""
    encoding = next((encoding for mark, encoding in _MARKS if raw.startswith(mark)), "utf-8")
    beginning = raw[:64]
    if encoding == "utf-8" and beginning.count(0) * 4 > len(beginning):
        raise UserError(f"{path}: UTF-16 without a byte-order mark; save it as UTF-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding.startswith("utf-8"):
            line = 1 + len(re.findall(rb"\r\n?|\n", raw[: error.start]))
            raise UserError(f"{path}, line {line}: not UTF-8; {_fix(raw, path)}") from None
        raise UserError(f"{path}: broken {encoding.upper()}; save it as UTF-8") from None
    if "\0" in text:
        line = 1 + len(LINE_END.findall(text, 0, text.index("\0")))
        raise UserError(f"{path}, line {line}: not a text file (a NUL character); remove it from the file")
    return text


def _fix(raw: bytes, path: Path) -> str:
    """What to do with a file that is not UTF-8."""
    runs = _HIGH_BYTES.findall(raw)
    alone = sum(len(run) == 1 for run in runs)
    for name, encoding in (("GBK", "GB18030"), ("Windows-1252", "CP1252")):
        if (name == "GBK") == (alone * 2 > len(runs)):
            continue
        with contextlib.suppress(UnicodeDecodeError):
            raw.decode(encoding)
            return f"it looks like {name}: convert it with iconv -f {encoding} -t UTF-8 {path.name}"
    return "save it as UTF-8"

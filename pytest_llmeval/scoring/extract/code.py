"""The extractor ``code``: the program in a text."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping

from pytest_llmeval.scoring.extract.fences import Region, regions
from pytest_llmeval.scoring.extract.reasoning import split_reasoning
from pytest_llmeval.scoring.extract.statements import START, Piece, StatementReader
from pytest_llmeval.scoring.python_source import HEAD

#: where a model ends its turn or its program: special tokens, but not at the end of a string, and marks such
#: as MBPP's ``[DONE]``, but not as an index or a list
_END = re.compile(
    r"<(?:\|[^|<>\s]{1,40}\||｜[^｜<>\n]{1,40}｜|/s|eo[acdst]|EO[DFST]|unk|pad|file_sep|reserved_\d{1,4}"
    r"|(?:start|end)_of_\w{1,20})>(?!['\"`])|\A\s*<(?:s|bos)>"
    r"|(?:^[ \t]*|(?<=[)\]}'\"])|(?<=[^\s=(,\[{:])(?<!return)[ \t]+)\[/?(?:DONE|END|EO[ST]|STOP)\][ \t]*$",
    re.M,
)
#: code in the middle of a sentence
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_NEWLINE = re.compile(r"\r\n?")


def code(text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The Python program in a text: the blocks of code that define, import or assign something, joined.

    Where several define the same name, the last one counts, as in Python. Code is read from fenced blocks;
    from text outside of them if it defines something or there are no blocks; and from blocks of another
    language if they are Python after all. The body of a function, with which a base model continues its
    prompt, is indented by four blanks. Statements with mistakes are left out, unless nothing else is there.
    None if there is no program. Takes linear time and executes nothing.
    """
    del choices
    reader = StatementReader()
    for part in _END.split(_NEWLINE.sub("\n", split_reasoning(text)[0])):
        if part.strip() and (program := _program(part, reader)) is not None:
            return program.strip("\n").rstrip() + "\n"
    return None


def _program(text: str, reader: StatementReader) -> str | None:
    parts = regions(text)
    fenced = any(part.is_python for part in parts)
    pieces: list[Piece] = []
    broken = None
    for part in reversed(parts):  # drafts come first, and in a very long text nobody needs them
        certain = part.is_python or not (fenced or part.language)
        source = _unpacked(part.source)
        found = reader.pieces(source) if certain or HEAD.search(source) else []
        pieces[:0] = [
            piece
            for piece in found
            if piece.defines or piece.is_body or (certain and (part.is_python or piece.is_whole))
        ]
        if certain and not any(piece.defines for piece in found):
            broken = broken or _broken(part)
    if pieces and _continues(text, pieces):
        body = textwrap.indent(textwrap.dedent(pieces[0].source), "    ")
        return "\n\n".join([body, *(piece.source for piece in pieces[1:] if piece.binds)])
    if broken is not None and not any(piece.defines for piece in pieces):
        return broken
    sources = [piece.source for piece in pieces if piece.binds and not piece.is_body]
    sources = sources or [piece.source for piece in pieces if piece.does_something][-1:]
    return "\n\n".join(sources) or _inline(text, reader)


def _inline(text: str, reader: StatementReader) -> str | None:
    """The last definition in the middle of a sentence."""
    spans = [span for span in _INLINE.findall(text) if "def " in span or "lambda" in span]
    found = [piece.source for span in spans for piece in reader.pieces(span) if piece.defines]
    return found[-1] if found else None


def _continues(text: str, pieces: list[Piece]) -> bool:
    """Whether the first piece is the body of a function that the prompt began."""
    first = pieces[0]
    if first.is_body and not any(piece.defines for piece in pieces[1:]):
        return True
    start = text.strip("\n")
    begins = start[:1].isspace() and start.lstrip().startswith(first.source.lstrip().partition("\n")[0])
    return begins and first.does_something


def _unpacked(source: str) -> str:
    """The strings with definitions in them that a JSON object holds; any other text as it is."""
    if not source.lstrip().startswith("{") or "def " not in source:
        return source
    try:
        fields = json.loads(source, strict=False)
    except (ValueError, RecursionError):
        return source
    texts = [text for text in fields.values() if isinstance(text, str) and HEAD.search(text)]
    return "\n\n".join(texts) or source


def _broken(part: Region) -> str | None:
    """The program with a mistake in it that a region holds, from its first definition if there is prose."""
    head = HEAD.search(part.source)
    if part.language:
        return part.source
    start = part.source.strip("\n")
    if head is None and part.language is None and start.startswith(("  ", "\t")):
        return start if START.match(start) else None
    return part.source[head.start() :] if head else None

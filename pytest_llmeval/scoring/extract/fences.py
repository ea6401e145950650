"""Split Markdown into fenced blocks and the text around them, as models write them rather than by the book.

CommonMark (https://spec.commonmark.org/0.31.2/#fenced-code-blocks) requires a fence to have its own line.
Models also open one after text, in list items and quotations, write code on the line of a fence, forget to
close a block before they open the next, and close a fence that the prompt opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_RUN = re.compile(r"`{3,}|~{3,}|(?:'''|\"\"\")(?=py)|^[ \t]*(?:'''|\"\"\")[ \t]*$")
_ANY = re.compile(r"```|~~~|(?:'''|\"\"\")py")
_TRIPLE_QUOTE = re.compile(r"'''|\"\"\"")
_INFO = re.compile(r"[ \t]*\{?\.?([\w+#-][\w+#.:/-]*)?(.*)")
_PYTHON = re.compile(r"py(?:thon|con)?[\d.]*(?:-?repl)?(?![\w(])|ipython|diff|patch", re.I)
_CODE = re.compile(
    r"[ \t]*(?:(?:async[ \t]+)?def[ \t]+\w|class[ \t]+\w+[ \t]*[(:]|import[ \t]+\w"
    r"|from[ \t]+[\w.]+[ \t]+import\b|return\b|@\w|\w+[ \t]+=[ \t])"
)


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a text: the content of a fenced block, or text outside of them (``language`` is None).

    ``language`` is the first word after the opening fence, or empty.
    """

    language: str | None
    source: str

    @property
    def is_python(self) -> bool:
        """Whether it is a block that is marked as Python or not marked at all."""
        return self.language == "" or bool(self.language and _PYTHON.match(self.language))


@dataclass(slots=True)
class _Splitter:
    regions: list[Region] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    language: str | None = None
    fence: str = ""
    in_string: bool = False

    def end_region(self, language: str | None = None, fence: str = "") -> None:
        source = "\n".join(self.lines)
        if source.strip():
            self.regions.append(Region(self.language, source))
        self.lines, self.language, self.fence, self.in_string = [], language, fence, False

    def add(self, line: str) -> None:
        self.lines.append(line)
        if len(_TRIPLE_QUOTE.findall(line)) % 2:
            self.in_string = not self.in_string

    def outside(self, line: str, runs: list[re.Match[str]]) -> None:
        """A line with fences outside of a block."""
        first, last = runs[0], runs[-1]
        if not self.lines and line == first[0] and first[0][0] in "`~":  # by far the most frequent
            self.end_region("", line)
            return
        if first[0].strip()[0] in "'\"" and not line[last.end() :].startswith("py"):
            self.add(line)
            return
        if len(runs) > 1:  # a block on one line
            self.lines.append(line[: first.start()])
            language, code = _language_and_code(line[first.end() : last.start()])
            self.end_region(language)
            self.lines.append(code)
            self.end_region()
            self.lines.append(line[last.end() :])
            return
        before, info = line[: last.start()], line[last.end() :]
        language, code = _language_and_code(info)
        named = not info.strip("{}. \t") or language
        if not (named or code) or (before.strip() and language and info.strip("{}. \t") != language):
            self.add(line)  # a string with a fence in it
            return
        if before.strip(" \t>"):
            self.lines.append(before)
        if not language and not code and any(map(_CODE.match, self.lines)):
            self.language = ""  # the prompt opened this block
            self.end_region()
            return
        self.end_region(language, last[0].strip())
        if code:
            self.add(code)

    def inside(self, line: str, runs: list[re.Match[str]]) -> None:
        """A line with fences inside of a block."""
        run = runs[-1]
        fence = run[0].strip()
        before, after = line[: run.start()], line[run.end() :]
        alone = not before.strip(" \t>")
        if fence[0] != self.fence[0] or self.in_string:
            self.add(line)
        elif len(fence) >= len(self.fence) and not after.strip() and len(runs) == 1:
            if not alone:
                self.add(before)
            self.end_region()
        elif alone and _PYTHON.match(after.strip()):
            self.end_region(*_opening(after, fence))
        else:
            self.add(line)


def _opening(info: str, fence: str) -> tuple[str, str]:
    return _language_and_code(info)[0], fence


def _language_and_code(info: str) -> tuple[str, str]:
    """The language after an opening fence, and code that follows it on the same line."""
    if _CODE.match(info):
        return "", info
    match = _INFO.match(info)
    assert match is not None
    language, rest = match[1] or "", match[2]
    return language, rest.lstrip() if _CODE.match(rest) else ""


def regions(text: str) -> list[Region]:
    """The regions of a text with newlines ``\\n``, in order, without the empty ones. Linear in its length.

    A fence inside a triple-quoted string does not end a block, and the last block may lack its end.
    """
    if not _ANY.search(text):
        return [Region(None, text)] if text.strip() else []
    splitter = _Splitter()
    for line in text.split("\n"):
        runs = list(_RUN.finditer(line))
        if not runs:
            splitter.add(line)
        elif splitter.fence:
            splitter.inside(line, runs)
        else:
            splitter.outside(line, runs)
    splitter.end_region()
    return splitter.regions

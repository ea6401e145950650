"""Normalise text for the rules: half-width simplified characters, no markup, no special tokens."""

from __future__ import annotations

import html
import re
import unicodedata

_HTML = (
    r"p|b|i|u|em|strong|span|div|code|pre|font|center|mark|su[bp]|small|big|h[1-6]|[uod]l|li|d[td]"
    r"|table|t[rdh]|thead|tbody|a|blockquote|hr|body|html"
)
#: blanks that compatibility normalisation leaves, other than the space and the line end
_BLANKS = r"\t\x85\u1680\u2028\u2029"
#: applied to a text after a line end; a pattern that begins with a fixed character is found much faster
_MARKUP = (
    (re.compile(r"~~(?=\S)[^~\n]{1,300}~~"), " "),  # struck through
    (re.compile(r"<del>[^<\n]{0,300}</del>", re.I), " "),
    (re.compile(r"\r\n?"), "\n"),
    (re.compile(r"<br ?/?>", re.I), "\n"),
    (re.compile(rf"</?(?:{_HTML})(?:\s[^<>\n]{{0,200}})?/?>", re.I), ""),
    (
        re.compile(
            r"\\(?:text|math|operatorname|large|Large|huge|bf|rm|left|right)(?!arrow)[a-z]*\b ?"
            r"|\\[,;!\[\]()]|\\q?quad\b"
        ),
        "",
    ),
    (re.compile("[*_`$\\0-\\x08\\x0b-\\x1f\\x7f\\u200b-\\u200f\\ufeff\\ufe0f]+"), ""),
    (re.compile(f"[{_BLANKS}]"), " "),
    (re.compile("  +"), " "),
    (re.compile(r"\n(?: ?\n){2,}"), "\n\n"),
    (re.compile(r"\n ?(?:[-•·+] |[#>|] ?)+"), "\n"),
    (re.compile(r"\|[ |]*(?=\n|\Z)"), ""),
    (re.compile(r" \n"), "\n"),
)
#: a line in which there is nothing to replace
_PLAIN = re.compile(r"(?! ?[-+] )(?: ?[A-Za-z0-9.,;:'\"?!()%/=+\[\]{}^-])*")
#: special tokens of chat templates, as servers leave them in a text: ``<|im_end|>``, ``</s>``, ``<eoa>``
SPECIAL_TOKEN = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|<｜[^｜<>\n]{1,40}｜>|</?s>|<(?:eo[a-z]|bos|pad|unk|(?:start|end)_of_(?:turn|text)"
    r"|endoftext)>|\[/?(?:INST|SYS|EOS|BOS|END|DONE|PAD)\]|<</?SYS>>",
    re.I,
)
_CAPITALS = "АВЕКМНОРСТХ", "ABEKMHOPCTX"
_GREEK = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"
_LOOK_ALIKE = str.maketrans("".join((_CAPITALS[0], _GREEK[0])), "".join((_CAPITALS[1], _GREEK[1])))
#: a capital letter that stands alone, so that it is no part of a Russian or Greek word
_LONE_LOOK_ALIKE = re.compile(rf"[{_CAPITALS[0]}{_GREEK[0]}](?<!\w.)(?!\w)")
#: traditional characters of the words that the rules know
_SIMPLIFIED = dict(
    zip(
        "選項題應該為對錯誤確認覺個還會這綜結論說樣與從無沒並點後終見問陳準適當屬於據釋斷處關係實際總較貼讓爲僅們來過時間",
        "选项题应该为对错误确认觉个还会这综结论说样与从无没并点后终见问陈准适当属于据释断处关系实际总较贴让为仅们来过时间",
        strict=True,
    )
)
_TRADITIONAL = re.compile(f"[{''.join(_SIMPLIFIED)}]")


def without_special_tokens(text: str) -> str:
    """Replace special tokens that a server left in the text by line ends."""
    return SPECIAL_TOKEN.sub("\n", text)


def clean(text: str) -> str:
    """Remove Markdown, HTML, LaTeX fonts, control characters and surrounding blanks.

    Characters become half-width, simplified, and Latin where a lone letter only looks so.
    """
    if text.isascii() and _PLAIN.fullmatch(text):
        return text.strip()
    text = unicodedata.normalize("NFKC", html.unescape(text) if "&" in text else text)
    if not text.isascii():
        text = _TRADITIONAL.sub(lambda match: _SIMPLIFIED[match[0]], text).replace("\u2212", "-")
        text = _LONE_LOOK_ALIKE.sub(lambda match: match[0].translate(_LOOK_ALIKE), text)
    text = "\n" + text
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text.strip()


def unwrapped(text: str) -> str:
    """Remove the quotes, brackets and punctuation around a text."""
    return text.strip(" \n\t\"'“”‘’「」『』《》【】()[]{}<>。.,;:!、")


def bare(text: str) -> str:
    """``unwrapped`` text, ignoring case."""
    return unwrapped(text).casefold()

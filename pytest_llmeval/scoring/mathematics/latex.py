r"""One spelling of LaTeX: ``\dfrac12``, ``\frac{1}{2}`` and ``½`` become the same tokens.

The time is linear in the length of the text; nothing is ever evaluated as Python.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from pytest_llmeval.scoring.mathematics.units import is_unit, is_unit_letter

#: longer texts and deeper nesting are no answers to a question
MAX_CHARACTERS = 4000
MAX_DEPTH = 60

#: numbers, letters, commands (``\frac``), ``\text{...}`` and single characters
Tokens = tuple[str, ...]

_SCAN = re.compile(
    r"(?P<blank>[\s~]+)"
    r"|(?P<environment>\\(?:begin|end)\s?\{[A-Za-z]{1,20}\*?\})"
    r"|(?P<command>\\(?:[A-Za-z]+\*?|.))"
    r"|(?P<scientific>(?:\d+(?:\.\d+)?|\.\d+)[eE][+-]?\d{1,4}(?![A-Za-z\d.]))"
    r"|(?P<number>\d+(?:\.\d+)?(?:\.(?=\s?[/)}]))?|\.\d+)"
    r"|(?P<letters>[A-Za-z]+)"
    r"|(?P<other>.)",
    re.S,
)
_FONTS = {
    *("text", "textrm", "textbf", "textit", "textsf", "texttt", "textnormal", "mbox", "hbox", "mathrm", "rm"),
    *("mathbf", "mathit", "mathsf", "mathtt", "mathcal", "boldsymbol", "bm", "bf", "operatorname", "pmb"),
}
_BOLD = {"mathbf", "boldsymbol", "bm", "bf", "mathit", "pmb", "mathcal"}
_DROPPED = {
    *("left", "right", "middle", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl"),
    *("biggr", "displaystyle", "textstyle", "scriptstyle", "limits", "nolimits", "quad", "qquad", "boxed"),
    *("fbox", "hfill", "thinspace", "mathstrut", "large", "Large", "huge", "normalsize", "therefore"),
    *(",", ";", "!", ":", " ", ">", "(", ")", "[", "]", "$", "-", "/"),
}
#: commands whose first argument is no part of the formula
_WITH_ARGUMENT = {"color", "textcolor", "hspace", "vspace", "label", "tag", "phantom"}
_SAME = {
    **{"dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom"},
    **{"leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge", "neq": "ne", "lt": "<", "gt": ">"},
    **{"times": "cdot", "ast": "cdot", "bullet": "cdot", "div": "/", "mid": "|", "vert": "|", "lvert": "|"},
    **{"rvert": "|", "lbrace": "{", "rbrace": "}", "lbrack": "[", "rbrack": "]", "colon": ":"},
    **{"ldots": "dots", "cdots": "dots", "backslash": "setminus", "varnothing": "emptyset", "bigcup": "cup"},
    **{"bigcap": "cap", "degree": "°", "percent": "%", "overrightarrow": "vec", "lor": ",", "vee": ","},
    **{"approx": "approx", "prime": "'", "iff": "iff", "dotsc": "dots", "imath": "i", "mathrm{i}": "i"},
}
_CHARACTERS = str.maketrans(
    {
        **{"−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": r"\cdot ", "·": r"\cdot ", "⋅": r"\cdot "},
        **{"÷": "/", "√": r"\sqrt ", "π": r"\pi ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le "},
        **{
            "⩾": r"\ge ",
            "≠": r"\ne ",
            "∪": r"\cup ",
            "∩": r"\cap ",
            "∈": r"\in ",
            "°": r"\degree ",
            "º": r"\degree ",
        },
        **{
            "±": r"\pm ",
            "∓": r"\mp ",
            "∅": r"\emptyset ",
            "ℝ": r"\mathbb{R}",
            "ℤ": r"\mathbb{Z}",
            "ℕ": r"\mathbb{N}",
        },
        **{
            "α": r"\alpha ",
            "β": r"\beta ",
            "γ": r"\gamma ",
            "θ": r"\theta ",
            "λ": r"\lambda ",
            "φ": r"\phi ",
        },
        **{
            "≈": r"\approx ",
            "，": ", ",
            "；": "; ",
            "、": ", ",
            "或": " or ",
            "和": " and ",
            "且": " and ",
            "％": "%",
        },
        **{
            "½": r"\frac{1}{2}",
            "⅓": r"\frac{1}{3}",
            "⅔": r"\frac{2}{3}",
            "¼": r"\frac{1}{4}",
            "¾": r"\frac{3}{4}",
        },
        **{"′": "'", "’": "'", "“": "", "”": "", '"': "", "`": "", "\u200b": "", "\ufeff": "", "∣": "|"},
        **{chr(0x2460 + number): f"({number + 1})" for number in range(20)},
    }
)
_SUPERSCRIPT = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,9}")
_SUBSCRIPT = re.compile("[₀₁₂₃₄₅₆₇₈₉]{1,9}")
_BRACED = re.compile(r"\s{0,9}\{([^{}]*)\}")
_GROUPED = re.compile(r"(?<=\d)(?:\{,\}|,?\\[,!:; ]\s?|,\{\}|[ \u202f])(?=\d{3}(?!\d))")
_REPEATING = re.compile(r"(\d{0,30})\.(\d{0,30})\\(?:overline|bar|dot)\s?\{?(\d{1,30})\}?")
_EMPHASIS = re.compile(r"\*\*(?=[^*\n]{1,400}\*\*)|(?<=[^*\s(\d])\*\*(?=[\s.,]|$)")
_ACCENTS = {"vec", "overline", "bar", "hat", "tilde", "dot", "ddot"}
FUNCTIONS = {
    *("sin", "cos", "tan", "sec", "csc", "cot", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "log"),
    *("ln", "exp", "gcd", "lcm", "min", "max", "det", "sqrt", "lim"),
}
_SYMBOLS = {
    **{"pi": r"\pi", "infty": r"\infty", "infinity": r"\infty", "oo": r"\infty", "theta": r"\theta"},
    **{"alpha": r"\alpha", "beta": r"\beta", "lambda": r"\lambda", "and": ",", "or": ",", "percent": "%"},
    **{"degrees": "°", "degree": "°", "le": r"\le", "ge": r"\ge"},
}


@lru_cache(maxsize=4096)
def tokens(text: str) -> Tokens | None:
    """The tokens of a formula in one spelling; None if it is too long or too deeply nested."""
    if len(text) > MAX_CHARACTERS:
        return None
    reader = _Reader(_scanned(_in_ascii(text)))
    try:
        return tuple(reader.sequence(0, None))
    except _TooDeep:
        return None


def joined(parts: Tokens) -> str:
    """Tokens as LaTeX."""
    text = ""
    for token in parts:
        glued = text[-1:].isalpha() and token[:1].isalpha() and text.rpartition("\\")[2].isalpha()
        text += f" {token}" if glued and "\\" in text else token
    return text


def _in_ascii(text: str) -> str:
    """Unicode's mathematical characters as LaTeX, and digits without separators of thousands."""
    text = _SUPERSCRIPT.sub(lambda match: "^{" + unicodedata.normalize("NFKC", match[0]) + "}", text)
    text = _SUBSCRIPT.sub(lambda match: "_{" + unicodedata.normalize("NFKC", match[0]) + "}", text)
    text = unicodedata.normalize("NFKC", text.translate(_CHARACTERS)).translate(_CHARACTERS)
    text = _REPEATING.sub(_as_fraction, _EMPHASIS.sub("", text))
    return _GROUPED.sub("", text)


def _as_fraction(match: re.Match[str]) -> str:
    r"""``0.1\overline{6}`` as ``\frac{15}{90}``."""
    whole, start, period = match[1] or "0", match[2], match[3]
    top = int(whole + start + period) - int(whole + start)
    return rf"\frac{{{top}}}{{{'9' * len(period) + '0' * len(start)}}}"


def _scanned(text: str) -> list[str]:
    """Tokens that still have LaTeX's braces; blanks are dropped, but a comma before one becomes ``, ``."""
    out: list[str] = []
    position, skipped = 0, False
    while position < len(text):
        match = _SCAN.match(text, position)
        if match is None:
            break
        start, position = position, match.end()
        kind, token = match.lastgroup, match[0]
        if kind == "blank":
            skipped = True
            if out and out[-1] == ",":
                out[-1] = ", "
            continue
        if kind == "environment":
            out.append(re.sub(r"\s|\*", "", token))
        elif kind == "command":
            position = _command(token[1:].rstrip("*"), text, position, out)
        elif kind == "scientific":
            number, _, power = token.lower().partition("e")
            out += [
                number,
                r"\cdot",
                "10",
                "^",
                "{",
                *(["-"] if "-" in power else []),
                power.lstrip("+-"),
                "}",
            ]
        elif kind == "letters":
            out += _letters(token, out, spaced=skipped and start > 0)
        elif token == "*":
            if out and out[-1] == r"\cdot":
                out[-1] = "^"
            else:
                out.append(r"\cdot")
        elif token not in "$£€":
            out.append(token.rstrip(".") if kind == "number" else token)
        skipped = False
    return out


def _command(name: str, text: str, position: int, out: list[str]) -> int:
    """Add a command's tokens to ``out``; returns where the text goes on."""
    if name in _FONTS:
        content, end = _argument(text, position)
        if content is not None:
            out += _words(content, out, roman=name not in _BOLD)
            return end
    elif name in _WITH_ARGUMENT:
        return _argument(text, position)[1]
    elif name == "mathbb":
        content, end = _argument(text, position)
        out.append(rf"\mathbb{{{(content or '').strip()}}}")
        return end
    elif name == "textcircled":
        content, end = _argument(text, position)
        out += ["(", *_scanned((content or "").strip()), ")"]
        return end
    elif name in ("{", "}"):
        out.append("\\" + name)
    elif name in ("lbrace", "rbrace"):
        out.append("\\" + _SAME[name])
    elif name in ("%", "#", "&", "_"):
        out.append(name)
    elif name == "\\":
        out.append(r"\\")
    elif name not in _DROPPED:
        same = _SAME.get(name, name)
        out.append(same if not same.isalpha() or same == "i" else "\\" + same)
    elif name in ("left", "right") and text[position : position + 1] == ".":
        return position + 1
    return position


def _argument(text: str, position: int) -> tuple[str | None, int]:
    """The content of braces at ``position`` and where they end; None if there are none, or nested ones."""
    match = _BRACED.match(text, position)
    return (None, position) if match is None else (match[1], match.end())


def _words(content: str, before: list[str], *, roman: bool) -> list[str]:
    r"""The tokens of ``\text{content}``: words stay one token, anything else is read as a formula."""
    words = " ".join(content.replace("~", " ").replace("\\", " ").strip(" ,.;").split())
    folded = words.casefold()
    if folded in _SYMBOLS:
        return [_SYMBOLS[folded]]
    if folded in FUNCTIONS:
        return ["\\" + folded]
    letters = [char for char in words if char.isalpha()]
    if len(words) == 1 and letters:
        follows = bool(before) and (before[-1][-1].isalnum() or before[-1][-1] in ")}]/")
        return [rf"\text{{{words}}}"] if roman and follows and is_unit_letter(words) else [words]
    if len(letters) > 1 and "$" not in words and "_" not in words:
        return [rf"\text{{{words}}}"]
    return _scanned(content.replace("\\", " "))


def _letters(run: str, before: list[str], *, spaced: bool) -> list[str]:
    """The tokens of plain letters: a function, a symbol, a word, a unit, or one variable each."""
    folded = run.casefold()
    if run in _SYMBOLS or (folded in _SYMBOLS and len(run) > 2):
        return [_SYMBOLS[folded]]
    follows_number = bool(before) and (before[-1][0].isdigit() or before[-1] in ("}", ")"))
    follows_unit = before[-1:] == ["/"] and len(before) > 1 and before[-2].startswith(r"\text{")
    if (follows_unit or (follows_number and len(run) > 1)) and is_unit(run):
        return [rf"\text{{{run}}}"]
    if folded in FUNCTIONS:
        return ["\\" + folded]
    if before and before[-1].startswith(r"\text{") and (spaced or len(run) > 1):
        return [rf"\text{{{before.pop()[6:-1]} {run}}}"]
    # abcd after a number is a product of variables
    if (
        len(run) > 5
        or (len(run) > 3 and (spaced or not before))
        or (not before and run.istitle() and len(run) > 2)
    ):
        return [rf"\text{{{run}}}"]
    return list(run)


class _TooDeep(Exception):
    """More nested braces than an answer has."""


class _Reader:
    """Gives every argument its braces, and drops braces that are no argument's."""

    def __init__(self, scanned: list[str]) -> None:
        self._tokens, self._at = scanned, 0

    def sequence(self, depth: int, closing: str | None) -> list[str]:
        """The tokens up to ``closing``, or to the end."""
        if depth > MAX_DEPTH:
            raise _TooDeep
        out: list[str] = []
        level = 0
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token == closing and level == 0:
                self._at += 1
                break
            if closing == ")":
                level += {"(": 1, ")": -1}.get(token, 0)
            out += self._item(depth)
        return out

    def _item(self, depth: int) -> list[str]:
        token = self._tokens[self._at]
        self._at += 1
        if token == "{":
            return self.sequence(depth + 1, "}")
        if token == "}":
            return []
        if token in (r"\frac", r"\binom"):
            above, below = self._argument(depth, digits=1), self._argument(depth, digits=1)
            return [token, "{", *above, "}", "{", *below, "}"]
        if token == r"\sqrt":
            degree: list[str] = []
            if self._next() == "[":
                self._at += 1
                degree = ["[", *self.sequence(depth + 1, "]"), "]"]
            return [token, *degree, "{", *self._argument(depth), "}"]
        if token in ("^", "_"):
            argument = self._argument(depth, digits=1 if token == "_" else 99)
            if argument in ([r"\circ"], ["o"]) and token == "^":
                return ["°"]
            if argument and set(argument) == {"'"}:
                return argument
            return [token, "{", *argument, "}"] if argument else []
        if token[1:] in FUNCTIONS and token[0] == "\\" and self._next() == "{":
            return [token, "(", *self._argument(depth), ")"]
        if token[1:] in _ACCENTS:
            return [token, "{", *self._argument(depth), "}"]
        return [token]

    def _argument(self, depth: int, digits: int = 99) -> list[str]:
        token = self._next()
        if token is None or token == "}":
            return []
        if token in ("{", "("):
            self._at += 1
            return self.sequence(depth + 1, {"{": "}", "(": ")"}[token])
        if token[0].isdigit() and len(token) > digits:
            self._tokens[self._at] = token[digits:]
            return [token[:digits]]
        if depth >= MAX_DEPTH:
            raise _TooDeep
        if token in ("-", "+"):
            self._at += 1
            return [token, *self._argument(depth + 1, digits)]
        self._at += 1
        if token in (r"\frac", r"\sqrt"):
            self._at -= 1
            self._depth_checked(depth)
            return self._item(depth + 1)
        return [token]

    def _next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _depth_checked(self, depth: int) -> None:
        if depth + 1 > MAX_DEPTH:
            raise _TooDeep

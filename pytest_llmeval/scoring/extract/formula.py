r"""The extractor ``math``: the mathematical answer of a text, as LaTeX, or None.

It reads the first of these that the text has: what stands in the last ``\boxed{}`` (or several boxes in a
row), what follows the last explicit statement ("the answer is", "Answer:", ``####``), the whole text if it is
a formula alone, the last formula between dollar signs or LaTeX's brackets, or the last number. What a box or
statement holds stays as it is: ``(3,4]`` is not a number. All patterns have bounded lookahead, so that the
time is linear in the length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s{0,3}(?=[{\dA-Za-z\\-])")
_UNBRACED = re.compile(r"\\?[A-Za-z]+|-?[\d.,]*\d|-")
#: what may stand between boxes that are one answer, without the signs of LaTeX
_CONNECTORS = {"", ",", ";", "and", "or", ",and", ",or", "、", "和", "或"}
_SIGNS = re.compile(r"\\[()\[\],;! ]|\\q?quad\b|\\text\b|[${}\s*]|[A-Za-z]\s{0,3}=")
_MAX_BOXES = 20
#: where a text without a box states its answer, from its end
_WINDOW = 50_000
_MAX_STATEMENTS = 20
_MAX_ANSWER = 2000
_STATEMENT = re.compile(
    r"\banswers?\b(?:\s{1,3}(?:to|for|of)\b[^.:=\n]{0,80}?)?(?:\*\*|__)?\s{0,3}"
    r"(?:\b(?:is|are|would\s{1,3}be|should\s{1,3}be)\b(?:\s{1,3}(?:therefore|thus|then|simply))?|:|：|=)"
    r"|\b(?:(?:final|end)\s{1,3})?result\b\s{0,3}(?:\bis\b|:)"
    r"|(?:答案|結果|结果)(?:\*\*)?\s{0,3}(?:应该是|應該是|应为|應為|是|为|為|：|:|】)"
    r"|\b(?:antwort|lösung|ergebnis|respuesta|réponse|resposta|risposta|antwoord|odpowiedź|odpowiedzią|ответ"
    r"|відповідь"
    r"|jawaban|jawabannya|cevap|svar|svaret)\b(?:\s{1,3}(?:ist|lautet|es|est|é|è|is|to|adalah|är|er|jest)\b|\s{0,3}[:：—])"
    r"|(?:答え|正解)(?:は|：|:)|(?:정답|답)(?:은|는|：|:)|(?:الإجابة|الجواب)(?:\s{1,3}هي|\s{1,3}هو|\s{0,3}:)"
    r"|(?:उत्तर|คำตอบ)(?:\s{0,3}(?:है|คือ|:))"
    r"|^####",
    re.I | re.M,
)
_LEADING = re.compile(r"[\s:：*_=】]*(?:\bgiven\s{1,3}by\b|\bthat\b|\bas\b)?[\s:：*_]*")
_MATH = re.compile(
    r"\$\$(?P<double>[^$]{1,2000})\$\$|(?<!\\)\$(?P<single>(?:\\\$|[^$\n]){1,1000})(?<!\\)\$"
    r"|\\\((?P<round>(?:[^\\\n]|\\[^)(\n]){1,2000})\\\)|\\\[(?P<square>(?:[^\\]|\\[^\]\[]){1,2000})\\\]"
)
_JOINING = re.compile(r"\s{0,3}(?:,|;|,?\s{0,2}\b(?:and|or)\b|、|和|或)\s{0,3}")
_SENTENCE = re.compile(r"[.!?](?=\s|$|\*\*)|[。！？\n]|<\||<eoa>|</")
_UNKNOWN = re.compile(
    r"(?:not\b|unknown|unclear|undetermined|impossible to|cannot|can't|unable|none of|as follows|below|above"
    r"|无法|不能)",
    re.I,
)
_NUMBER = re.compile(r"(?<![\w.,])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?%?(?![\w/])")
_PROSE = re.compile(
    r"(?<![\\A-Za-z])(?!sqrt|frac|infty|degrees?|sin|cos|tan|log|ln|pi|and|or\b)[A-Za-z]{3,}(?!\s?\{)"
)
_REASON = re.compile(r",?\s(?:because|since|which|where|when|so|as|from)\s|，|\s\(", re.I)
_WORD = re.compile(r"[^\W\d_]{1,30}")
_REFUSAL = re.compile(
    r"\b(?:sorry|i cannot|i can't|unable to|don't know|do not know)\b|抱歉|无法|不知道", re.I
)


def formula(text: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The mathematical answer that a text gives, as LaTeX; None if there is none."""
    del choices
    box = boxed(text)
    if box is not None:
        return box
    text = text[-_WINDOW:]
    stated = _stated(text)
    if stated is not None:
        return stated
    alone = text.strip()
    if _WORD.fullmatch(_bare(alone)):
        return _bare(alone)
    if alone and len(alone) <= 300 and "\n" not in alone and not _PROSE.search(_without_words(alone)):
        return _bare(alone) or None
    if len(alone) <= 400 and _REFUSAL.search(alone):
        return None
    return _last_formula(text) or _last_number(text)


def boxed(text: str) -> str | None:
    r"""What stands in the last ``\boxed{}`` that is closed and not empty, with boxes just before it."""
    spans: list[tuple[int, int, str]] = []
    closings: dict[int, int] | None = None
    for match in _BOX.finditer(text):
        if text[match.end()] != "{":
            word = _UNBRACED.match(text, match.end())
            if word is not None:
                spans.append((match.start(), word.end(), word[0]))
            continue
        closings = _closings(text) if closings is None else closings
        end = closings.get(match.end())
        content = text[match.end() + 1 : end].strip() if end is not None else ""
        if end is not None and content and len(content) <= _MAX_ANSWER:
            spans.append((match.start(), end + 1, content))
    if not spans:
        return None
    answers = [spans[-1][2]]
    for (_, before, content), (after, _, _) in zip(reversed(spans[:-1]), reversed(spans[1:]), strict=True):
        between = text[before:after]
        if before > after or len(between) > 24 or len(answers) >= _MAX_BOXES or "\n\n" in between:
            break
        if _SIGNS.sub("", between) not in _CONNECTORS or content in answers:
            break
        answers.insert(0, content)
    return _bare(", ".join(answers)) or None


def _closings(text: str) -> dict[int, int]:
    """Where each brace is closed."""
    closings: dict[int, int] = {}
    opened: list[int] = []
    for match in re.finditer(r"\\[\\{}]|[{}]", text):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            closings[opened.pop()] = match.start()
    return closings


def _stated(text: str) -> str | None:
    """What the last explicit statement names."""
    places = [match.end() for match in _STATEMENT.finditer(text)]
    for place in reversed(places[-_MAX_STATEMENTS:]):
        part = _after(text, place)
        if part is not None:
            return part
    return None


def _after(text: str, start: int) -> str | None:
    """The formula, or the sentence, that begins at ``start``."""
    leading = _LEADING.match(text, start)
    begin = leading.end() if leading else start
    found = _MATH.match(text, begin)
    if found is not None:
        answers, end = [_inner(found)], found.end()
        while (joining := _JOINING.match(text, end)) and (found := _MATH.match(text, joining.end())):
            answers.append(_inner(found))
            end = found.end()
        return _bare(", ".join(answers)) or None
    rest = text[begin : begin + 400]
    end_of_sentence = _SENTENCE.search(rest)
    part = rest[: end_of_sentence.start()] if end_of_sentence else rest
    if not part.strip() or _UNKNOWN.match(part):
        return None
    reason = _REASON.search(part)
    part = part[: reason.start()] if reason and part[: reason.start()].strip() else part
    inside = _MATH.search(part)
    if inside is not None:  # "the answer is x plus $2$" is not only the formula, but "the value $2$" is
        return _bare(_inner(inside)) or None
    return _bare(part) or None


def _inner(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None)


def _last_formula(text: str) -> str | None:
    formulas = (_bare(_inner(match)) for match in reversed([*_MATH.finditer(text)]))
    return next(filter(None, formulas), None)


def _last_number(text: str) -> str | None:
    last = None
    for last in _NUMBER.finditer(text):  # noqa: B007
        pass
    return None if last is None else last[0]


def _without_words(text: str) -> str:
    r"""``text`` without ``\\text{...}`` and names of environments."""
    return re.sub(r"\\(?:text[a-z]*|mbox|mathrm|begin|end|operatorname)\s?\{[^{}]*\}", "", text)


def _bare(text: str) -> str:
    """Without marks around the formula."""
    text = text.strip().strip("*`_ ").removesuffix("</s>").strip()
    while text and text[-1] in ".,;:。，；：" and not text.endswith(r"\,"):
        text = text[:-1].rstrip()
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing):
            inner = text[len(opening) : -len(closing)]
            if opening not in inner:
                text = inner.strip()
    return text

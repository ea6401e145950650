"""The words by which texts in many languages announce an answer: ``Antwort: 18``, ``답은``.

``answer_table.LANGUAGES`` is the table. ``ANSWER``, ``RESULT``, ``TOTAL``, ``COPULA`` and ``FILLER`` are
fragments of regular expressions for text in the form of ``lowered``. They are grouped by first character and
match without ``re.I``, so that a search over a long text stays fast. No fragment has a group that captures.

An announcement is usually ``FILLER* (ANSWER | RESULT) COPULA* FILLER* answer``. In languages whose verb comes
last the answer follows the noun directly: ``DIRECT`` has their nouns.
"""

from __future__ import annotations

import re
import unicodedata

from pytest_llmeval.scoring.extract.answer_table import LANGUAGES


def lowered(text: str) -> str:
    """``text`` in lower case and of the same length, so that positions stay valid."""
    return text.replace("\u0130", "i").lower()


def words(fragment: str) -> list[str]:
    """The words of an entry of ``Language``, in the compatibility form that cleaned text has."""
    return [unicodedata.normalize("NFKC", word) for word in fragment.split("|") if word]


def _fragment(kind: str, *, direct: bool = False) -> str:
    """The words of a kind of all languages, longest first, grouped by their first character."""
    plain: dict[str, set[str]] = {}
    others: dict[str, set[str]] = {}
    for language in LANGUAGES.values():
        if language.direct or not direct:
            ends = r"(?![^\W_])" if language.whole else ""
            for word in words(getattr(language, kind)):
                if word[0].isascii():
                    plain.setdefault(word[0], set()).add(re.escape(word[1:]) + ends)
                else:
                    starts = "" if language.unspaced else r"(?<![^\W_]\w)"  # after the first character
                    others.setdefault(word[0] + starts, set()).add(re.escape(word[1:]) + ends)
    # one look at the character decides between the halves: most of a text is ASCII and within words
    return rf"(?:(?<![^\W_])(?=[a-z])(?:{_branches(plain)})|(?=[^\x00-\x7f])(?:{_branches(others)}))"


def _branches(groups: dict[str, set[str]]) -> str:
    return "|".join(
        f"{first}(?:{'|'.join(sorted(rests, key=lambda rest: (-len(rest), rest)))})"
        for first, rests in sorted(groups.items())
    )


ANSWER = _fragment("answer")
RESULT = _fragment("result")
TOTAL = _fragment("total")
COPULA = _fragment("copula")
FILLER = _fragment("filler")
DIRECT = _fragment("answer", direct=True)


def _decimal_comma() -> frozenset[str]:
    """The nouns of languages with a decimal comma and thousands in dots that no other language shares."""
    nouns: dict[bool, set[str]] = {True: set(), False: set()}
    for code, language in LANGUAGES.items():
        for kind in (language.answer, language.result, language.total):
            nouns[code in _COMMA].update(words(kind))
    return frozenset(nouns[True] - nouns[False])


_COMMA = frozenset(("de", "nl", "it", "es", "pt", "da", "tr", "id", "vi", "el", "ro", "sr", "ca"))
DECIMAL_COMMA = _decimal_comma()

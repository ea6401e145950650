"""Sentences, tokens and languages, as langdetect and NLTK tell them; both are loaded when first used."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

PUNKT, RULES = "punkt", "rules"
#: how sentences are found: by NLTK's trained model, or by the rules of ``rule_sentences``
SPLITTERS = (PUNKT, RULES)
INSTALL = 'pip install "pytest-llmeval-harness[ifeval]"'

_ABBREVIATIONS = {
    *("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "gen", "col", "capt", "lt", "sgt", "rev", "hon"),
    *("gov", "sen", "rep", "inc", "ltd", "co", "corp", "vs", "etc", "e.g", "i.e", "u.s", "u.k", "a.m", "p.m"),
    *("ph.d", "b.a", "m.a", "al", "approx", "dept", "est"),
    *("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"),
}
#: what may end a sentence: its marks, closing quotes and brackets, and a blank
_END = re.compile(r"(?<![.!?])[.!?]++[\"'”’)\]}*_]{0,4}(?=\s)")
_LAST_WORD = re.compile(r"[\w.]{0,12}\Z")
#: abbreviations before a number
_NUMBERED = {"no", "nos", "vol", "fig", "p", "pp", "sec", "ch"}
_LOWER = re.compile(r"[\"'“‘(\[*_]{0,4}[a-z]")


@dataclass(frozen=True, slots=True)
class LibraryLinguistics:
    """langdetect, NLTK's tokenizer, and sentences as ``splitter`` (one of ``SPLITTERS``) finds them."""

    splitter: str = PUNKT

    def sentences(self, text: str) -> Sequence[str]:
        """See ``Linguistics``."""
        if self.splitter == RULES:
            return rule_sentences(text)
        found: list[str] = _punkt().tokenize(text)
        return found

    def tokens(self, text: str) -> Sequence[str]:
        """See ``Linguistics``."""
        tokenizer = _word_tokenizer()
        return [token for sentence in self.sentences(text) for token in tokenizer.tokenize(sentence)]

    def language(self, text: str) -> str | None:
        """See ``Linguistics``."""
        from langdetect.lang_detect_exception import LangDetectException

        detector = _detectors().create()
        detector.append(text)
        try:
            code: str = detector.detect()
        except LangDetectException:
            return None
        return code


def missing(needs: Iterable[str], splitter: str) -> str | None:
    """What this machine lacks for these methods of ``Linguistics``, with the remedy, in one line; or None."""
    needs = set(needs)
    punkt = splitter == PUNKT and bool(needs & {"sentences", "tokens"})
    libraries = {"langdetect": "language" in needs, "nltk": punkt or "tokens" in needs}
    lacking = [name for name, used in libraries.items() if used and importlib.util.find_spec(name) is None]
    if lacking:
        return f"needs {' and '.join(lacking)}: {INSTALL}"
    if punkt:
        try:
            _punkt()
        except LookupError:
            return (
                "finds sentences with NLTK's data punkt_tab, which is not on this machine: "
                "python -m nltk.downloader punkt_tab (or name a folder that has it in NLTK_DATA)"
            )
    return None


def rule_sentences(text: str) -> list[str]:
    """The sentences of an English text by rules of our own, which need no data.

    A sentence ends at ``.``, ``!`` or ``?`` before a blank, unless the point ends a common abbreviation or an
    initial, or the next word begins with a small letter. docs/scoring.md says how often this
    differs from Punkt.
    """
    sentences, start = [], 0
    for end in _END.finditer(text):
        if _continues(text, end):
            continue
        sentences.append(text[start : end.end()].strip())
        start = end.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def _continues(text: str, end: re.Match[str]) -> bool:
    """Whether the point is a part of an abbreviation, an initial or a numbered item, not the end."""
    if text[end.start()] != "." or text.startswith("..", end.start()):
        return False
    before = _LAST_WORD.search(text, max(0, end.start() - 12), end.start())
    word = before[0].lower() if before else ""
    if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i"):
        return True
    following = text[end.end() : end.end() + 8].lstrip()
    if word in _NUMBERED and following[:1].isdigit():
        return True
    return _LOWER.match(following) is not None


@lru_cache(maxsize=1)
def _punkt() -> Any:
    """Raises ``LookupError`` if its data is not on this machine."""
    from nltk.tokenize.punkt import PunktTokenizer

    return PunktTokenizer("english")


@lru_cache(maxsize=1)
def _word_tokenizer() -> Any:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer()


@lru_cache(maxsize=1)
def _detectors() -> Any:
    """langdetect's factory with its profiles, seeded: it samples at random. Its global one stays as it is."""
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.set_seed(0)
    return factory

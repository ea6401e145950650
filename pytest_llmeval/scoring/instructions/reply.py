"""The reply that verifiers check, and the libraries that they read language with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

WORD = re.compile(r"\w+")


class Linguistics(Protocol):
    """What verifiers need to know of a language. Each method is deterministic."""

    def __hash__(self) -> int: ...

    def sentences(self, text: str) -> Sequence[str]:
        """The sentences of an English text, without blanks around them."""

    def tokens(self, text: str) -> Sequence[str]:
        """The words and punctuation marks of an English text, as the Penn Treebank has them."""

    def language(self, text: str) -> str | None:
        """The ISO 639-1 code of the language of a text (``zh-cn`` and ``zh-tw`` for Chinese); None if the
        text has no letters to tell it from.
        """


@dataclass(frozen=True, slots=True)
class Reply:
    """The text that a model wrote, unchanged, with the tools to read it.

    The methods are what several verifiers use; ``sentences``, ``tokens`` and ``language`` are those of
    ``Linguistics``.
    """

    text: str
    linguistics: Linguistics

    @property
    def words(self) -> list[str]:
        r"""The runs of letters, digits and underscores: what ``\w+`` finds."""
        return WORD.findall(self.text)

    @property
    def sentences(self) -> Sequence[str]:
        """See ``Linguistics``."""
        return _sentences(self.linguistics, self.text)

    @property
    def tokens(self) -> Sequence[str]:
        """See ``Linguistics``."""
        return _tokens(self.linguistics, self.text)

    @property
    def language(self) -> str | None:
        """See ``Linguistics``."""
        return _language(self.linguistics, self.text)


# the variants of one reply are checked against several instructions each, one after the other
@lru_cache(maxsize=64)
def _sentences(linguistics: Linguistics, text: str) -> Sequence[str]:
    return tuple(linguistics.sentences(text))


@lru_cache(maxsize=64)
def _tokens(linguistics: Linguistics, text: str) -> Sequence[str]:
    return tuple(linguistics.tokens(text))


@lru_cache(maxsize=64)
def _language(linguistics: Linguistics, text: str) -> str | None:
    return linguistics.language(text)

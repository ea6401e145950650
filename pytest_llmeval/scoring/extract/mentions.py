"""Where a text mentions choices, alone or in lists, and which of these mentions it rejects."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import pytest_llmeval.scoring.extract.words as words
from pytest_llmeval.scoring.extract.answer_words import lowered
from pytest_llmeval.scoring.extract.cleaning import clean
from pytest_llmeval.scoring.extract.phrases import Phrases

#: more than any text has that a person would write
_MAX_LETTERS, _MAX_MENTIONS = 1_200, 400
#: labels that are also an article or a pronoun
_ALSO_WORDS = frozenset("aAiI")

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Mention:
    """Labels that a text names together; ``labels`` is empty for a letter that is not a choice.

    ``start`` and ``end`` are positions in the text. ``own`` is the end of the choice's text, if that follows.
    """

    start: int
    end: int
    labels: frozenset[str]
    own: int | None = None

    @property
    def label(self) -> str | None:
        """The label, or None if there are several or none."""
        return next(iter(self.labels)) if len(self.labels) == 1 else None


@lru_cache(maxsize=64)
def labels(labels: tuple[str, ...]) -> tuple[re.Pattern[str], Mapping[str, str]]:
    """A pattern for labels, runs of them (``ABD``) and other letters; and the label of each spelling."""
    spellings: dict[str, str] = {}
    for label in labels:
        spellings.setdefault(unicodedata.normalize("NFKC", label), label)
    for spelling, label in tuple(spellings.items()):
        if len({s for s in spellings if s.lower() == spelling.lower()}) == 1:
            spellings[spelling.lower()] = label
    spellings.pop("", None)
    singles = re.escape("".join(s for s in spellings if len(s) == 1 and s.isupper()))
    run = f"(?<=[{singles}])[{singles}]{{1,{max(len(singles) - 1, 1)}}}|" if singles else ""
    firsts = re.escape("".join({s[0] for s in spellings}))
    rests = "".join(
        f"(?<={re.escape(s[0])}){re.escape(s[1:])}|"
        for s in sorted(spellings, key=len, reverse=True)
        if s[1:]
    )
    # the first character comes before all conditions, because a search looks for that alone much faster
    before, after = r"(?<![A-Za-z0-9\\°].)(?<![Nn]/.)", r"(?![A-Za-z0-9])(?!['’-][A-Za-z]|[+#°%])"
    pattern = rf"[A-Z{firsts}]{before}(?:{rests}{run}){after}"
    return re.compile(pattern), spellings


class Mentions:
    """The mentions in a cleaned text."""

    def __init__(self, text: str, choices: Mapping[str, str]) -> None:
        self.text = text
        self.order = tuple(choices)
        self.texts = {label: clean(words) for label, words in choices.items()}
        joined = {label: wording.lstrip(words.JOINTS) for label, wording in self.texts.items()}
        self._own_texts = {label: (wording.casefold(), len(wording)) for label, wording in joined.items()}
        #: the text in lower case, with the same positions
        self.folded = lowered(text)
        #: by position: (label, text) of each choice whose text begins there, ignoring case
        self.text_starts = self._find_texts()
        self.spans: list[tuple[int, int]] = []
        singles = [*self._singles(), *self._ordinals()]
        singles = _ends_of(singles, _MAX_MENTIONS)
        self.mentions = self._group(sorted(singles, key=lambda mention: mention.start))
        self.at = {mention.start: index for index, mention in enumerate(self.mentions)}
        self.starts = [mention.start for mention in self.mentions]
        self.items, self.restated = self._items()
        self._denied: dict[int, bool] = {}

    def _find_texts(self) -> dict[int, list[tuple[str, str]]]:
        starts: dict[int, list[tuple[str, str]]] = {}
        for label, wording in self.texts.items():
            folded = lowered(wording)
            place = self.folded.find(folded) if folded else -1
            while place >= 0:
                starts.setdefault(place, []).append((label, wording))
                place = self.folded.find(folded, place + 1)
        return starts

    # mentions

    def _singles(self) -> Iterator[Mention]:
        pattern, spellings = labels(self.order)
        read_to = 0
        for match in _ends_of([*pattern.finditer(self.text)], _MAX_LETTERS):
            if match.start() < read_to:
                continue
            word = match[0]
            label = spellings.get(word)
            if label is None and len(set(word)) < len(word):
                continue
            own = None if label is None else self._own_end(match.end(), label)
            # the most frequent first: an article
            if (word in _ALSO_WORDS or word.isdigit()) and not self._stands_as_word(match, own):
                continue
            small = word.islower() and label != word
            if small and label is not None and not self._is_small_label(match, own):
                continue
            if self._is_formula(match):
                continue
            if label is not None:
                named = frozenset({label})
            elif len(word) > 1:
                named = frozenset(spellings[letter] for letter in word)
            else:
                named = frozenset()
            if own is not None:
                # a choice's text repeats the question; the model does not say anything with it
                self.spans.append((match.end(), own))
                read_to = own
            elif words.IN_FORMULA.match(self.text, match.end()):
                continue
            yield Mention(match.start(), match.end(), named, own)

    def _ordinals(self) -> Iterator[Mention]:
        """Choices named by their place: ``the second option``, ``第二项``."""
        for match in words.ORDINAL.find(self.text, self.folded):
            if match["en"] and match["en"].lower() != "last":
                place = words.ORDINALS_EN.index(match["en"].lower())
            elif match["zh"]:
                place = words.ORDINALS_ZH.index(match["zh"])
            else:
                place = len(self.order) - 1
            if place < len(self.order):
                label = self.order[place]
                own = self._own_end(match.end(), label)
                yield Mention(match.start(), match.end(), frozenset({label}), own)

    def _is_formula(self, match: re.Match[str]) -> bool:
        """Whether a single letter belongs to a formula, a quantity or a numbering, and is no label."""
        if len(match[0]) > 1 or match[0].isdigit():
            return False
        before = self.text[max(0, match.start() - 8) : match.start()]
        if before.rstrip(" ")[-1:] in words.OPERAND_ENDS and words.OPERAND_BEFORE.search(before):
            return True
        if words.FORMULA_AFTER.match(self.text, match.end()):
            own = self._own_end(match.end() + 1, match[0]) if match[0] in self.texts else None
            return own is None
        return False

    def _is_small_label(self, match: re.Match[str], own: int | None) -> bool:
        """Whether a small letter is the label in capitals: alone in its line, or named as an option.

        ``own`` is the end of the choice's text, if that follows.
        """
        start, end = match.span()
        if own is not None or words.NAMED_OPTION.search(self.text[max(0, start - 12) : start]):
            return True
        line = self.text.rfind("\n", 0, start) + 1
        return (
            start - line < 24
            and words.LINE_LEAD.fullmatch(self.text, line, start) is not None
            and words.LINE_TRAIL.match(self.text, end) is not None
        )

    def _stands_as_word(self, match: re.Match[str], own: int | None) -> bool:
        """Whether ``a``, ``I`` or a number is a label, and not an article, a pronoun or a quantity.

        ``own`` is the end of the choice's text, if that follows.
        """
        if own is not None or words.WORD_STANDS.match(self.text, match.end()):
            return True
        before = self.text[max(0, match.start() - 10) : match.start()]
        return match[0].isupper() and words.NAMED_OPTION.search(before) is not None

    def _group(self, singles: list[Mention]) -> list[Mention]:
        """Join the mentions of a list: ``A、B和D``, ``A, B, and D``, ``A,B都``."""
        groups: list[Mention] = []
        chain: list[Mention] = []
        strong: list[bool] = []

        def close() -> None:
            if len(chain) < 2:
                groups.extend(chain)
                return
            first, last = chain[0], chain[-1]
            together = bool(strong) and (strong[-1] or words.PLURAL.match(self.text, last.end) is not None)
            # "答案是D，A和B都错": the first mention is not part of the list
            led = words.LED.search(self.text[max(0, first.start - 8) : first.start]) is not None
            alone = led and words.DENIED_LIST.match(self.text, last.end) is not None
            run = [first]
            for number, (mention, joint) in enumerate(zip(chain[1:], strong, strict=True)):
                if joint or (together and not (alone and number == 0)):
                    run.append(mention)
                else:
                    groups.append(_union(run))
                    run = [mention]
            groups.append(_union(run))

        for mention in singles:
            joint = self._joint(chain[-1], mention) if chain else None
            if joint is None:
                close()
                chain, strong = [mention], []
            else:
                chain.append(mention)
                strong.append(joint)
        close()
        return groups

    def _joint(self, left: Mention, right: Mention) -> bool | None:
        """True for a conjunction between two mentions, False for a comma or blank, None for other text.

        The text of the left choice may come before it: ``A. Paris and B. Rome``.
        """
        end = left.own or left.end
        if right.start - end > 24 or "\n" in self.text[end : right.start]:
            return None
        if words.LIST_JOINT.fullmatch(self.text, end, right.start):
            return True
        if comma := words.LIST_COMMA.fullmatch(self.text, end, right.start):
            return bool(re.search(r"and|or|和|或", comma[0]))
        return None

    def _own_end(self, end: int, label: str) -> int | None:
        """The end of the label's choice text if it follows the label at ``end``."""
        wording, length = self._own_texts[label]
        if not length:
            return None
        start = past(words.OWN_JOINT, self.text, end)
        return start + length if self.text[start : start + length].casefold() == wording else None

    def _items(self) -> tuple[frozenset[int], frozenset[int]]:
        """Indices of mentions that begin the items of a list, and of those that restate the choices."""
        items: set[int] = set()
        restated: set[int] = set()
        run: list[int] = []

        def close() -> None:
            if len(run) > 1 and self._stands_before(self.mentions[run[0]], self.mentions[run[1]]):
                del run[0]
            if len(run) > 1:
                items.update(run)
                if sum(self.mentions[i].own is not None for i in run) > 1:
                    restated.update(run)

        for index, mention in enumerate(self.mentions):
            if mention.label is None or not self._heads_item(mention):
                continue
            if len(run) < len(self.order) and run and mention.label == self.order[len(run)]:
                run.append(index)
                continue
            close()
            run = [index] if mention.label == self.order[0] else []
        close()
        return frozenset(items), frozenset(restated)

    def _stands_before(self, answer: Mention, first: Mention) -> bool:
        """Whether an answer precedes a list of other choices: ``A. Paris. Of the rest, B. Rome``."""
        end = answer.own
        if end is None or not words.SENTENCE_END.match(self.text, end):
            return False
        last_end = max(
            (m.end() for m in words.SENTENCE_END.finditer(self.text, end, first.start)), default=end
        )
        return re.search(r"\w", self.text[last_end : first.start]) is not None

    def _heads_item(self, mention: Mention) -> bool:
        if not words.ITEM.match(self.text, mention.end):
            return False
        before = self.text[max(0, mention.start - 1) : mention.start]
        return not before or not before.isalnum()

    # rejections

    def _leads_to(self, position: int) -> bool:
        skip = words.TO_NEXT.match(self.text, position)
        return skip is not None and skip.end() in self.at

    def denied(self) -> frozenset[int]:
        """Indices of the mentions that the text rejects."""
        return frozenset(filter(self.is_denied, range(len(self.mentions))))

    def is_denied(self, index: int) -> bool:
        """Whether the text rejects a mention."""
        known = self._denied.get(index)
        if known is None:
            known = self._denied[index] = index not in self._only and self._is_rejected(index)
        return known

    @cached_property
    def _negated_indices(self) -> frozenset[int]:
        return self._after(words.NOT_BEFORE)

    @cached_property
    def _only(self) -> frozenset[int]:
        return self._after(words.ONLY_BEFORE)

    def _is_rejected(self, index: int) -> bool:
        if index in self._negated_indices:
            return True
        mention = self.mentions[index]
        listed = index in self.items or self._starts_line(mention.start)
        patterns = (words.DENIED, words.DENIED_ITEM) if listed else (words.DENIED,)
        own = mention.own
        end = mention.end
        if own is not None:
            end, patterns = own, (words.DENIED_TEXT,)
        return any((m := p.match(self.text, end)) and not self._leads_to(m.end()) for p in patterns)

    def _after(self, phrases: Phrases) -> frozenset[int]:
        """Indices of the mentions before which one of the phrases ends."""
        ends = (self.at.get(match.end(), -1) for match in phrases.find(self.text, self.folded))
        return frozenset(index for index in ends if index >= 0)

    def _starts_line(self, position: int) -> bool:
        before = self.text[max(0, position - 4) : position].rstrip(" ([【")
        return before.endswith("\n") or (not before and position <= 4)


def past(pattern: re.Pattern[str], text: str, start: int = 0) -> int:
    """The end of a pattern's match at ``start``, or ``start`` if it does not match there."""
    match = pattern.match(text, start)
    return match.end() if match else start


def _ends_of(found: list[_Found], most: int) -> list[_Found]:
    """All, or of too many the first quarter and the last three quarters of ``most``."""
    return found if len(found) <= most else found[: most // 4] + found[-most * 3 // 4 :]


def _union(mentions: list[Mention]) -> Mention:
    known = all(mention.labels for mention in mentions)  # "A and F": F may be no choice
    labels = frozenset[str]().union(*(m.labels for m in mentions)) if known else frozenset[str]()
    return Mention(
        mentions[0].start, mentions[-1].end, labels, mentions[-1].own if len(labels) == 1 else None
    )

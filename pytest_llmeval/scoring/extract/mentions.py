"""Where a text mentions choices, alone or in lists, and which of these mentions it rejects."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import pytest_llmeval.scoring.extract.words as words
from pytest_llmeval.scoring.extract.answer_words import lowered
from pytest_llmeval.scoring.extract.cleaning import clean

_MAX_MENTIONS = 400


@dataclass(frozen=True, slots=True)
class Mention:
    """Labels that a text names together; ``labels`` is empty for a letter that is not a choice.

    ``start`` and ``end`` are positions in the text.
    """

    start: int
    end: int
    labels: frozenset[str]

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
    singles = [s for s in spellings if len(s) == 1 and s.isupper()]
    run = f"[{re.escape(''.join(singles))}]{{2,{max(len(singles), 2)}}}|" if singles else ""
    names = "|".join(re.escape(s) for s in sorted(spellings, key=len, reverse=True))
    pattern = rf"(?<![A-Za-z0-9\\°])(?<![Nn]/)(?:{names}|{run}[A-Z])(?![A-Za-z0-9])(?!['’-][A-Za-z]|[+#°%])"
    return re.compile(pattern), spellings


class Mentions:
    """The mentions in a cleaned text."""

    def __init__(self, text: str, choices: Mapping[str, str]) -> None:
        self.text = text
        self.order = tuple(choices)
        self.texts = {label: clean(words) for label, words in choices.items()}
        #: the text in lower case, with the same positions
        self.folded = lowered(text)
        #: by position: (label, text) of each choice whose text begins there, ignoring case
        self.text_starts = self._find_texts()
        self.spans: list[tuple[int, int]] = []
        singles = [*self._singles(), *self._ordinals()]
        if len(singles) > _MAX_MENTIONS:  # no text that a person would write
            singles = singles[: _MAX_MENTIONS // 4] + singles[-_MAX_MENTIONS * 3 // 4 :]
        self.mentions = self._group(sorted(singles, key=lambda mention: mention.start))
        self.at = {mention.start: index for index, mention in enumerate(self.mentions)}
        self.starts = [mention.start for mention in self.mentions]
        self.items, self.restated = self._items()

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
        for match in pattern.finditer(self.text):
            if match.start() < read_to:
                continue
            word = match[0]
            label = spellings.get(word)
            if self._is_formula(match) or (len(set(word)) < len(word) and label is None):
                continue
            if (
                word.islower()
                and label is not None
                and label != word
                and not self._is_small_label(match, label)
            ):
                continue
            if label is not None:
                named = frozenset({label})
            elif len(word) > 1:
                named = frozenset(spellings[letter] for letter in word)
            else:
                named = frozenset()
            if (word.lower() in {"a", "i"} or word.isdigit()) and not self._stands_as_word(match, label):
                continue
            if label is not None and (own_end := self._own_end(match.end(), label)) is not None:
                # a choice's text repeats the question; the model does not say anything with it
                self.spans.append((match.end(), own_end))
                read_to = own_end
            elif words.IN_FORMULA.match(self.text, match.end()):
                continue
            yield Mention(match.start(), match.end(), named)

    def _ordinals(self) -> Iterator[Mention]:
        """Choices named by their place: ``the second option``, ``第二项``."""
        if not any(hint in self.text for hint in words.ORDINAL_HINTS):
            return
        for match in words.ORDINAL.finditer(self.text):
            if match["en"] and match["en"].lower() != "last":
                place = words.ORDINALS_EN.index(match["en"].lower())
            elif match["zh"]:
                place = words.ORDINALS_ZH.index(match["zh"])
            else:
                place = len(self.order) - 1
            if place < len(self.order):
                yield Mention(match.start(), match.end(), frozenset({self.order[place]}))

    def _is_formula(self, match: re.Match[str]) -> bool:
        """Whether a single letter belongs to a formula, a quantity or a numbering, and is no label."""
        if len(match[0]) > 1 or match[0].isdigit():
            return False
        before = self.text[max(0, match.start() - 8) : match.start()]
        if words.OPERAND_BEFORE.search(before):
            return True
        if words.FORMULA_AFTER.match(self.text, match.end()):
            own = self._own_end(match.end() + 1, match[0]) if match[0] in self.texts else None
            return own is None
        return False

    def _is_small_label(self, match: re.Match[str], label: str) -> bool:
        """Whether a small letter is the label in capitals: alone in its line, or named as an option."""
        start, end = match.span()
        if words.NAMED_OPTION.search(self.text[max(0, start - 12) : start]):
            return True
        if self._own_end(end, label) is not None:
            return True
        line = self.text.rfind("\n", 0, start) + 1
        return (
            start - line < 24
            and words.LINE_LEAD.fullmatch(self.text, line, start) is not None
            and words.LINE_TRAIL.match(self.text, end) is not None
        )

    def _stands_as_word(self, match: re.Match[str], label: str | None) -> bool:
        """Whether ``a``, ``I`` or a number is a label, and not an article, a pronoun or a quantity."""
        if words.WORD_STANDS.match(self.text, match.end()):
            return True
        if match[0].isupper() and words.NAMED_OPTION.search(
            self.text[max(0, match.start() - 10) : match.start()]
        ):
            return True
        return label is not None and self._own_end(match.end(), label) is not None

    def _group(self, singles: list[Mention]) -> list[Mention]:
        """Join the mentions of a list: ``A、B和D``, ``A, B, and D``, ``A,B都``."""
        groups: list[Mention] = []
        chain: list[Mention] = []
        strong: list[bool] = []

        def close() -> None:
            if not chain:
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
        end = self._own(left) or left.end
        if right.start - end > 24 or "\n" in self.text[end : right.start]:
            return None
        if words.LIST_JOINT.fullmatch(self.text, end, right.start):
            return True
        if comma := words.LIST_COMMA.fullmatch(self.text, end, right.start):
            return bool(re.search(r"and|or|和|或", comma[0]))
        return None

    def _own_end(self, end: int, label: str) -> int | None:
        """The end of the label's choice text if it follows the label at ``end``."""
        wording = self.texts[label].lstrip(words.JOINTS)
        if not wording:
            return None
        start = past(words.OWN_JOINT, self.text, end)
        stop = start + len(wording)
        return stop if self.text[start:stop].casefold() == wording.casefold() else None

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
                if sum(self._own(self.mentions[i]) is not None for i in run) > 1:
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
        end = self._own(answer)
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
        denied: set[int] = set()
        only: set[int] = set()
        for index, mention in enumerate(self.mentions):
            if ends_with(words.NOT_BEFORE, self.text, mention.start):
                denied.add(index)
            if ends_with(words.ONLY_BEFORE, self.text, mention.start):
                only.add(index)
            listed = index in self.items or self._starts_line(mention.start)
            patterns = (words.DENIED, words.DENIED_ITEM) if listed else (words.DENIED,)
            own = self._own(mention)
            end = mention.end
            if own is not None:
                end, patterns = own, (words.DENIED_TEXT,)
            if any((m := p.match(self.text, end)) and not self._leads_to(m.end()) for p in patterns):
                denied.add(index)
        return frozenset(denied - only)

    def _own(self, mention: Mention) -> int | None:
        return None if mention.label is None else self._own_end(mention.end, mention.label)

    def _starts_line(self, position: int) -> bool:
        before = self.text[max(0, position - 4) : position].rstrip(" ([【")
        return before.endswith("\n") or (not before and position <= 4)


def past(pattern: re.Pattern[str], text: str, start: int = 0) -> int:
    """The end of a pattern's match at ``start``, or ``start`` if it does not match there."""
    match = pattern.match(text, start)
    return match.end() if match else start


def ends_with(pattern: re.Pattern[str], text: str, end: int) -> bool:
    """Whether a match of a short pattern ends at ``end``."""
    return any(match.end() == end for match in pattern.finditer(text, max(0, end - 40), end))


def _union(mentions: list[Mention]) -> Mention:
    known = all(mention.labels for mention in mentions)  # "A and F": F may be no choice
    labels = frozenset[str]().union(*(m.labels for m in mentions)) if known else frozenset[str]()
    return Mention(mentions[0].start, mentions[-1].end, labels)

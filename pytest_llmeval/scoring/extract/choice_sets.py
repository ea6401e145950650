"""The extractor ``choices``: the set of right choices that a text states."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property

import pytest_llmeval.scoring.extract.words as words
from pytest_llmeval.scoring.answer_sets import join_labels, split_labels
from pytest_llmeval.scoring.extract.choices import final_statements, first_turn, not_retracted, readable
from pytest_llmeval.scoring.extract.cleaning import unwrapped
from pytest_llmeval.scoring.extract.markers import Strength
from pytest_llmeval.scoring.extract.mentions import Mention, past
from pytest_llmeval.scoring.extract.reader import Claim, Reader
from pytest_llmeval.scoring.extract.wording import is_cut_off


def choices(text: str, choices: Mapping[str, str]) -> str | None:
    """The labels of the choices that a text settles on, in the order of the choices (``ACD``), or None.

    Its rules are those of ``choice``. The last explicit statement decides; without one, statements such as
    ``So choose AC`` must agree or the last must contain the others; without these, the choices that the text
    calls right add up. Alternatives (``A or B``) are no answer.
    """
    return _choices(text, choices, whole=True)


def explicit_choices(text: str, choices: Mapping[str, str]) -> str | None:
    """The labels that an unfinished text states, explicitly or at its beginning, or None."""
    return _choices(text, choices, whole=False)


def _choices(text: str, choices: Mapping[str, str], *, whole: bool) -> str | None:
    choices = {label: words for label, words in choices.items() if label}
    if not choices:
        return None
    reply, order = readable(text), tuple(choices)
    chosen = split_labels(reply, order) or split_labels(unwrapped(reply), order)
    if chosen is None and (turn := first_turn(reply)):
        chosen = _settled(turn, choices, whole=True)
    if not chosen:
        chosen = _settled(reply, choices, whole=whole)
    return join_labels(chosen, order) or None


class SetReader(Reader):
    """Applies the rules to a text that may name several choices as its answer."""

    def claims(self) -> list[Claim]:
        """See ``Reader``; also a list of choices, and those that a list ticks."""
        return self._sorted([*super().claims(), *self._ticked(), *self._list_alone()])

    def statements(self) -> list[Claim]:
        """See ``Reader``; also a list of choices."""
        return self._sorted([*super().statements(), *self._list_alone()])

    def _sorted(self, claims: list[Claim]) -> list[Claim]:
        return sorted(claims, key=lambda claim: (claim.end, claim.start))

    def is_denied(self, index: int) -> bool:
        """See ``Mentions``; also those that a list crosses out."""
        return index in self._crossed or super().is_denied(index)

    @cached_property
    def _crossed(self) -> frozenset[int]:
        return frozenset(
            self.at[match.end()]
            for match in words.CROSSED.finditer(self.text)
            if match.end() in self.at and self._begins_line(match.start())
        )

    def worded(self) -> set[str]:
        """The choices whose text occurs in this text."""
        return {label for starts in self.text_starts.values() for label, _ in starts}

    def rejected(self) -> dict[str, int]:
        """The last place where the text rejects each choice that it rejects."""
        return {
            label: self.mentions[index].start
            for index in sorted(self.denied())
            for label in self.mentions[index].labels
        }

    def _ticked(self) -> Iterator[Claim]:
        for match in words.TICKED.finditer(self.text):
            index = self.at.get(match.end(), -1)
            if index >= 0 and self._begins_line(match.start()):
                mention = self.mentions[index]
                yield Claim(match.start(), mention.end, mention.labels, Strength.STATED, judged=True)

    def _list_alone(self) -> Iterator[Claim]:
        """A claim from a text that lists some choices with their texts, each on a line, and nothing else."""
        listed: list[str] = []
        for line in words.LINES.finditer(self.text):
            index = self._index_at(line.start())
            mention = self.mentions[index] if index >= 0 else None
            own = None if mention is None else mention.own
            if (
                mention is None
                or own is None
                or self.is_denied(index)
                or not words.LINE_TRAIL.match(self.text, own)
            ):
                return
            listed += mention.labels
        if 1 < len(listed) < len(self.order) and len(set(listed)) == len(listed):
            yield Claim(0, len(self.text), frozenset(listed), Strength.EXPLICIT)

    def _stands_as_word(self, match: re.Match[str], own: int | None) -> bool:
        if words.SET_GOES_ON.match(self.text, match.end()):
            return True
        return super()._stands_as_word(match, own)

    def _is_small_label(self, match: re.Match[str], own: int | None) -> bool:
        before = self.text[max(0, match.start() - 12) : match.start()]
        return words.SMALL_BEFORE.search(before) is not None or super()._is_small_label(match, own)

    def _joint(self, left: Mention, right: Mention) -> bool | None:
        joint = super()._joint(left, right)
        if joint is None and words.SET_COMMA.fullmatch(self.text, left.own or left.end, right.start):
            return False
        return joint

    def _lines(self, first_end: int, last_start: int) -> set[tuple[int, int]]:
        """See ``Reader``; without lines that belong to a list of choices."""
        places = [self._place_at(line.start()) for line in words.LINES.finditer(self.text)]
        lines = super()._lines(first_end, last_start)
        if len(places) > 1 and 0 <= places[0] < places[1]:
            lines -= {(0, first_end), (0, len(self.text))}
        if len(places) > 1 and 0 <= places[-2] < places[-1]:
            lines.discard((last_start, len(self.text)))
        return lines

    def _place_at(self, line_start: int) -> int:
        """The place of the choice that begins a line, or -1."""
        index = self._index_at(line_start)
        label = self.mentions[index].label if index >= 0 and self._heads_line(index) else None
        return -1 if label is None else self.order.index(label)

    def _index_at(self, line_start: int) -> int:
        """The index of the mention that begins a line, or -1."""
        return self.at.get(past(words.NOT_WORD, self.text, line_start), -1)

    def _begins_line(self, position: int) -> bool:
        return not self.text[self.text.rfind("\n", 0, position) + 1 : position].strip()

    def _begins_list(self, index: int) -> bool:
        return index in self.items or self._heads_line(index)

    def _list_claim(self, index: int, start: int, strength: Strength) -> Claim | None:
        """A claim from the choices that begin the lines after a marker, none of them rejected.

        The list ends before a line without a choice, or a choice that precedes the one before it. If it
        goes on after such a line, or has all choices, as a question has, it leaves open what is meant.
        """
        listed: list[str] = []
        last, end = -1, self.mentions[index].end
        for number in range(index, len(self.mentions)):
            mention = self.mentions[number]
            if self.is_denied(number) or not self._heads_line(number):
                continue
            places = [self.order.index(label) for label in mention.labels]
            if not places or min(places) <= last:
                break
            if listed and re.search(r"\n\s*\S[^\n]*\n", self.text[end : mention.start]):
                return Claim(start, end, frozenset(), strength)
            listed += mention.labels
            last, end = max(places), mention.own or mention.end
        if len(listed) == len(self.order):
            return None
        return Claim(start, end, frozenset(listed), strength)

    def _heads_line(self, index: int) -> bool:
        mention = self.mentions[index]
        return self._starts_line(mention.start) and (
            self._heads_item(mention) or words.LINE_TRAIL.match(self.text, mention.end) is not None
        )


def _settled(reply: str, choices: Mapping[str, str], *, whole: bool) -> frozenset[str]:
    """The labels that a cleaned text settles on; empty if there are none."""
    reader = SetReader(reply, choices)
    whole = whole and not is_cut_off(reply)
    if statements := final_statements(reply, reader, whole=whole):
        return _resolve(reader, statements)
    claims = reader.claims()
    if not whole:
        claims = [claim for claim in claims if claim.counts_in_unfinished]
    return _resolve(reader, claims)


def _resolve(reader: SetReader, claims: list[Claim]) -> frozenset[str]:
    text = reader.text
    claims = not_retracted(text, claims)
    strongest = max((claim.strength for claim in claims), default=Strength.TENTATIVE)
    strong = [claim for claim in claims if claim.strength == strongest]
    if strongest == Strength.EXPLICIT:
        last = strong[-1]
        if taken_back := words.TAKEN_BACK.match(text, last.end):
            return _resolve(reader, [c for c in claims if c.start >= taken_back.start() and c is not last])
        return _joined_to_last(text, strong)
    if named := [claim for claim in strong if not claim.judged]:
        return _named_last(reader, named)
    return _judged(reader, [claim for claim in claims if claim.judged])


def _joined_to_last(text: str, claims: list[Claim]) -> frozenset[str]:
    """The labels of the last claim and of those joined to it: ``\\boxed{A} and \\boxed{C}``."""
    last = claims[-1]
    labels, start = last.labels, last.start
    for claim in reversed(claims[:-1]):
        if claim.end >= last.end or claim.end > start:
            start = min(start, claim.start)
            continue
        if words.SET_JOINT.fullmatch(text, claim.end, start):
            labels, start = labels | claim.labels, claim.start
        elif words.ALTERNATIVE.fullmatch(text, claim.end, start):
            return frozenset()
        else:
            break
    return labels


def _named_last(reader: SetReader, claims: list[Claim]) -> frozenset[str]:
    """The labels that statements agree on: those of the last, if it sums the others up or corrects them."""
    last = claims[-1]
    labels = last.labels
    for claim in reversed(claims[:-1]):
        if claim.labels <= labels:
            continue
        if last.also:
            labels |= claim.labels
            continue
        corrected = words.CORRECTION.search(reader.text[claim.end : last.end])
        return labels if corrected else frozenset()
    if last.strength == Strength.LEAD:  # "A. ...": the answer, or the first of several choices discussed
        denied = reader.denied()
        others = {m.labels for index, m in enumerate(reader.mentions) if index not in denied} - {labels}
        return frozenset() if others or len(reader.worded()) > 1 else labels
    return labels


def _judged(reader: SetReader, claims: list[Claim]) -> frozenset[str]:
    """The choices that the text calls right and does not reject later."""
    rejected = reader.rejected()
    right = {label: claim.end for claim in claims for label in claim.labels}
    return frozenset(label for label, end in right.items() if rejected.get(label, -1) < end)

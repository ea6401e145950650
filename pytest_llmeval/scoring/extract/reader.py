"""What a text says about the choices that it mentions: claims of different strengths."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest_llmeval.scoring.extract.words as words
from pytest_llmeval.scoring.extract.cleaning import bare, unwrapped
from pytest_llmeval.scoring.extract.markers import EXPLICIT_MARKERS, MARKERS, Marker, Strength
from pytest_llmeval.scoring.extract.mentions import Mention, Mentions, past


@dataclass(frozen=True, slots=True)
class Claim:
    """What a rule concludes: the choices that the text names, none if it names what is no choice.

    ``also`` claims add a choice to earlier ones instead of correcting them. ``bare`` claims are lines that
    consist of an answer. ``judged`` claims are about a choice (``C is correct``), the others name the answer.
    """

    start: int
    end: int
    labels: frozenset[str]
    strength: Strength
    also: bool = False
    bare: bool = False
    judged: bool = False

    @property
    def counts_in_unfinished(self) -> bool:
        """Whether the claim counts if the text ends too early: a statement, or an answer at its beginning."""
        return self.start == 0 or (self.strength == Strength.EXPLICIT and not self.bare)

    @property
    def label(self) -> str | None:
        """The choice, or None if there are several or none."""
        return next(iter(self.labels)) if len(self.labels) == 1 else None


class Reader(Mentions):
    """Applies the rules to a cleaned text."""

    def __init__(self, text: str, choices: Mapping[str, str]) -> None:
        super().__init__(text, choices)
        self.bare_texts = {label: bare(wording) for label, wording in self.texts.items() if wording}

    def claims(self) -> list[Claim]:
        """The claims of all rules, in the order of the text."""
        if not self.text:
            return []
        claims = [*self._marked(MARKERS), *self._negated(), *self._stated(), *self._line_claims()]
        return self._in_order(claims)

    def statements(self) -> list[Claim]:
        """The explicit claims alone, which decide if there are any: faster than ``claims``."""
        if not self.text:
            return []
        claims = [*self._marked(EXPLICIT_MARKERS), *self._line_claims()]
        return self._in_order([claim for claim in claims if claim.strength == Strength.EXPLICIT])

    def _in_order(self, claims: list[Claim]) -> list[Claim]:
        claims = [claim for claim in claims if not self._asked(claim.end)]
        return sorted(self._of_this_question(claims), key=lambda claim: (claim.end, claim.start))

    def _of_this_question(self, claims: list[Claim]) -> list[Claim]:
        """``claims`` without a numbered list of statements, if there are others.

        Such a list, as in ``The answer is (I). All answers: 1. The answer is (B). 2. The answer is (J)``, has
        the answers to several questions, often those of the worked examples.
        """
        explicit = [claim for claim in claims if claim.strength == Strength.EXPLICIT]
        numbered = {claim for claim in explicit if self._is_numbered(claim.start)}
        if len(numbered) < 2 or len(numbered) == len(explicit):
            return claims
        return [claim for claim in claims if claim not in numbered]

    def _is_numbered(self, position: int) -> bool:
        line = self.text.rfind("\n", 0, position) + 1
        return position - line < 40 and words.NUMBERED.fullmatch(self.text, line, position) is not None

    def _marked(self, markers: Iterable[Marker]) -> Iterator[Claim]:
        for marker in markers:
            for match in marker.matches(self.text, self.folded):
                if self._quoted(match.start()):
                    continue
                claim = self._after_marker(marker, match)
                if claim is not None:
                    yield claim

    def _negated(self) -> Iterator[Claim]:
        """Claims by contrast: ``not A but B``, ``B rather than A``, ``only B``."""
        denied = self.denied()
        for index in denied:
            end = words.INSTEAD.match(self.text, self.mentions[index].end)
            follow = self.at.get(end.end(), -1) if end else -1
            if end and follow >= 0 and follow not in denied and self.mentions[follow].labels:
                yield self._claim(follow, end.start(), Strength.FIRM)
        for index in denied:
            if index and index - 1 not in denied and index - 1 not in self.restated:
                chosen = self.mentions[index - 1]
                if words.NOT_THE_NEXT.fullmatch(self.text, chosen.end, self.mentions[index].start):
                    yield Claim(chosen.start, chosen.end, chosen.labels, Strength.STATED)
        for match in words.ONLY_BEFORE.find(self.text, self.folded):
            index = self.at.get(match.end(), -1)
            if index < 0 or not self.mentions[index].labels:
                continue
            if after := words.ONLY_AFTER.match(self.text, self.mentions[index].end):
                strength = Strength.STATED if after[0].endswith("是") else Strength.FIRM
                yield self._claim(index, match.start(), strength)

    def _after_marker(self, marker: Marker, match: re.Match[str]) -> Claim | None:
        index = self.at.get(match.end())
        joined = words.COPULA.search(match[0]) is not None
        text = self._text_after(match, None if index is None else self.mentions[index], joined)
        if index is None and text is None:
            return None
        clause = self._clause_before(match.start())
        if words.SUPPOSED.search(clause) or words.NOT_TAIL.search(clause):
            return None
        tentative = words.TENTATIVE.search(clause) or words.TENTATIVE.search(match[0])
        strength = Strength.TENTATIVE if tentative else marker.strength
        also = words.ALSO.search(match[0]) is not None
        if text and not self._of_an_option(match.start()):
            return Claim(match.start(), text[0], self._alone(*text), strength, also)
        if index is None or index in self.restated or self.is_denied(index):
            return None
        mention = self.mentions[index]
        if "\n" in match[0] and self._begins_list(index):
            return self._list_claim(index, match.start(), strength)
        own = mention.own is not None
        if not mention.labels and not (
            strength >= Strength.FIRM and words.ENDS_PLAINLY.match(self.text, mention.end)
        ):
            return None
        if not own and not words.STANDS.match(self.text, mention.end):
            return None
        last = self._listed(index)[-1]
        if (marker.ends or not joined) and not own and not words.ENDS.match(self.text, last.end):
            return None
        return self._claim(index, match.start(), strength, also)

    def _claim(self, index: int, start: int, strength: Strength, also: bool = False) -> Claim:
        """A claim for a mention, with those that follow in a list without a conjunction (``A, B``)."""
        listed = self._listed(index)
        end = max(mention.own or mention.end for mention in (listed[0], listed[-1]))
        return Claim(start, end, _named(listed, self.text), strength, also)

    def _listed(self, index: int) -> list[Mention]:
        """A mention and those that follow it after commas or blanks, up to the end of a clause."""
        listed = [self.mentions[index]]
        for number in range(index + 1, len(self.mentions)):
            if self._joint(listed[-1], self.mentions[number]) is None:
                break
            listed.append(self.mentions[number])
        ends = words.ENDS.match(self.text, listed[-1].own or listed[-1].end)
        return listed if ends else listed[:1]

    def _begins_list(self, index: int) -> bool:
        """Whether a list of choices or parts follows a marker."""
        return index in self.items

    def _list_claim(self, index: int, start: int, strength: Strength) -> Claim | None:
        """A claim from a list of choices after a marker; it names no single choice."""
        return None

    def _text_after(
        self, match: re.Match[str], mention: Mention | None, joined: bool
    ) -> tuple[int, str] | None:
        """``(end, label)`` of the choice with the longest text that follows a marker."""
        if not joined:
            return None
        # the marker's pattern may have consumed the first words of the text, so look back a little
        beyond = mention.end + 1 if mention is not None and mention.labels else match.end()
        best: tuple[int, str] | None = None
        article = words.ARTICLE.match(self.text, match.end())
        starts = [*range(max(match.start() + 1, match.end() - 12), match.end() + 1)]
        for start in [*starts, article.end()] if article else starts:
            hit = self._text_at(start)
            if hit and hit[0] >= beyond and (best is None or hit[0] > best[0]):
                best = hit
        return best

    def _text_at(self, start: int) -> tuple[int, str] | None:
        """``(end, label)`` of the longest choice text at ``start``; None if several are equally long."""
        best: tuple[int, str] | None = None
        top = (0, False)
        same = False
        for label, wording in self.text_starts.get(start, ()):
            end = start + len(wording)
            if not words.TEXT_ENDS.match(self.text, end) and wording[-1].isalnum():
                continue
            rank = (end, self.text.startswith(wording, start))
            if best is None or rank > top:
                best, top, same = (end, label), rank, False
            elif rank == top:
                same = True
        return None if same else best

    def _alone(self, end: int, label: str) -> frozenset[str]:
        """``label``, and the choices whose texts follow as the end of a list."""
        labels = {label}
        for joint in (words.LIST_JOINT, words.LIST_COMMA):
            follow = self._text_at(past(joint, self.text, end))
            if follow and words.ENDS.match(self.text, follow[0]):
                labels.add(follow[1])
        return frozenset(labels)

    def _stated(self) -> Iterator[Claim]:
        """Claims after a mention: ``C is correct``, ``C是正确答案``, ``C项错误，符合题意``, ``C ✓``."""
        for index, mention in enumerate(self.mentions):
            clause = self._clause_before(mention.start)
            if not mention.labels or words.SUPPOSED.search(clause) or words.THEN.search(clause):
                continue
            stop = self.mentions[index + 1].start if index + 1 < len(self.mentions) else len(self.text)
            stop = min(stop, mention.end + 120)
            own = mention.own
            begin = past(words.OWN_JOINT, self.text, mention.end) if own is None else own
            sentence = words.SENTENCE_END.search(self.text, begin, stop)
            sense = words.IN_QUESTION_SENSE.search(self.text, begin, sentence.start() if sentence else stop)
            if sense and not words.NOT_NEAR.search(self.text[max(begin, sense.start() - 5) : sense.start()]):
                yield Claim(mention.start, sense.end(), mention.labels, Strength.FIRM, judged=True)
                continue
            if self.is_denied(index):
                continue
            line = self.text.find("\n", mention.end, stop)
            if tick := words.TICK.search(self.text, mention.end, line if line >= 0 else stop):
                yield Claim(mention.start, tick.end(), mention.labels, Strength.STATED, judged=True)
                continue
            for _, pattern, strength in words.STATEMENTS:
                if statement := pattern.match(self.text, mention.end if own is None else own):
                    also = words.ALSO.search(statement[0]) is not None
                    yield Claim(mention.start, statement.end(), mention.labels, strength, also, judged=True)
                    break
            else:
                named = words.NAMED_OPTION.search(self.text[max(0, mention.start - 10) : mention.start])
                if index in self.items or named or words.ITEM.match(self.text, mention.end):
                    later = words.RIGHT_LATER.search(
                        self.text, begin, sentence.start() + 1 if sentence else stop
                    )
                    if later:
                        yield Claim(mention.start, later.end(), mention.labels, Strength.STATED, judged=True)

    def _line_claims(self) -> Iterator[Claim]:
        """Claims from a first or last line that is an answer, and from a first line that begins with one."""
        if len({m.labels for m in self.mentions}) > 1 and self._only_mentions():
            yield Claim(0, len(self.text), _named(self.mentions, self.text), Strength.EXPLICIT)
            return
        if (listed := self._list_at_top()) is not None:
            yield Claim(0, listed, frozenset(), Strength.STATED)
            return
        first_end = self.text.find("\n")
        first_end = len(self.text) if first_end < 0 else first_end
        last_start = self.text.rfind("\n") + 1
        for start, end in self._lines(first_end, last_start):
            claim = self._line_claim(start, end)
            if claim is not None:
                yield claim
        index = self.at.get(past(words.LINE_OPEN, self.text), -1)
        if index >= 0 and index not in self.items and not self.is_denied(index):
            mention = self.mentions[index]
            own = mention.own is not None
            follow = self.mentions[index + 1] if index + 1 < len(self.mentions) else None
            listed = follow is not None and self._joint(mention, follow) is not None
            if not listed and (own or words.LEAD_LOOSE.match(self.text, mention.end)):
                yield self._claim(index, 0, Strength.LEAD)
        text = self._text_at(past(words.TEXT_LEAD, self.text))
        if text and words.TEXT_LEAD_ENDS.match(self.text, text[0]):
            yield Claim(0, text[0], self._alone(*text), Strength.LEAD)

    def _lines(self, first_end: int, last_start: int) -> set[tuple[int, int]]:
        """The lines that may be an answer: the first, the last, and the whole text."""
        return {(0, first_end), (last_start, len(self.text)), (0, len(self.text))}

    def _only_mentions(self) -> bool:
        """Whether the text consists of mentions: ``A, C``, or one on each line."""
        ends = [0, *(mention.end for mention in self.mentions)]
        starts = [*self.starts, len(self.text)]
        return all(
            words.BETWEEN_LABELS.fullmatch(self.text, end, start)
            for end, start in zip(ends, starts, strict=True)
        )

    def _list_at_top(self) -> int | None:
        """The end of a first line that begins a truncated list of choices, each on a line of its own."""
        first: Mention | None = None
        end = 0
        for line in words.LINES.finditer(self.text):
            index = self.at.get(past(words.NOT_WORD, self.text, line.start()), -1)
            mention = self.mentions[index] if index >= 0 else None
            if first is None:
                own = mention.own if mention is not None else None
                if own is None or not words.LINE_TRAIL.match(self.text, own):
                    return None
                first, end = mention, line.end()
            elif mention is None or self.is_denied(index) or not self._heads_item(mention):
                return None
            elif mention.label != first.label or len(line[0]) > end + 8:
                # explanations of all choices, which follow an answer, begin with the first choice
                return None if mention.label in (first.label, self.order[0]) else end
        return None

    def _line_claim(self, start: int, end: int) -> Claim | None:
        line = self.text[start:end]
        whole = bare(line)
        same = [label for label, wording in self.bare_texts.items() if wording == whole]
        same = [label for label in same if unwrapped(self.texts[label]) == unwrapped(line)] or same
        if len(same) == 1 and not any(whole == label.casefold() for label in self.texts):
            return Claim(start, end, frozenset(same), Strength.FIRM, bare=True)
        lead = words.LINE_LEAD.match(self.text, start, end)
        index = self.at.get(lead.end(), -1) if lead else -1
        if index < 0 or index in self.restated or self.is_denied(index):
            return None
        mention = self.mentions[index]
        ends = [mention.end]
        if (own := mention.own) is not None:
            ends.append(own)
        if any(words.LINE_TRAIL.match(self.text, stop) for stop in ends):
            strength = Strength.EXPLICIT if end == len(self.text) else Strength.FIRM
            return replace(self._claim(index, start, strength), bare=True) if mention.labels else None
        return None

    def _clause_before(self, position: int) -> str:
        return words.CLAUSE_END.split(self.text[max(0, position - 24) : position])[-1]

    def _quoted(self, position: int) -> bool:
        """Whether a position lies within a choice's text after its label."""
        index = bisect_right(self.spans, position, key=lambda span: span[0]) - 1
        return index >= 0 and position < self.spans[index][1]

    def _of_an_option(self, position: int) -> bool:
        """Whether the clause before a position is about one option (``选项A说的是``)."""
        index = bisect_right(self.starts, position) - 1
        if index < 0 or position - self.mentions[index].end > 24:
            return False
        return words.CLAUSE_END.search(self.text, self.mentions[index].end, position) is None

    def _asked(self, position: int) -> bool:
        end = words.CLAUSE_END.search(self.text, position, position + 40)
        return end is not None and (end[0] == "?" or self.text[end.start() - 1] in "吗么")


def _named(mentions: Sequence[Mention], text: str) -> frozenset[str]:
    """The labels that mentions name together: none if one is no choice, or if they are alternatives."""
    together = text[mentions[0].start : mentions[-1].end]
    if not all(mention.labels for mention in mentions) or words.EITHER.search(together):
        return frozenset()
    return frozenset[str]().union(*(mention.labels for mention in mentions))

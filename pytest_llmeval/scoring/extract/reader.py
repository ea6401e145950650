"""Where a text mentions choices, and what it says of them."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import pytest_llmeval.scoring.extract.words as words
from pytest_llmeval.scoring.extract.cleaning import bare, clean, unwrapped
from pytest_llmeval.scoring.extract.words import Marker, Strength


@dataclass(frozen=True, slots=True)
class Mention:
    """Labels named together; ``labels`` is empty for a letter that is no choice."""

    start: int
    end: int
    labels: frozenset[str]

    @property
    def label(self) -> str | None:
        """The one label, or None of several or none."""
        return next(iter(self.labels)) if len(self.labels) == 1 else None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a rule read: a label, or None where it names no single choice."""

    start: int
    end: int
    label: str | None
    strength: Strength
    also: bool = False


@lru_cache(maxsize=64)
def labels(labels: tuple[str, ...]) -> tuple[re.Pattern[str], Mapping[str, str]]:
    """A pattern for labels, runs of them (``ABD``) and other letters; what label each spelling is."""
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


class Reader:
    """One cleaned text with its mentions, ready to be read by the rules."""

    def __init__(self, text: str, choices: Mapping[str, str]) -> None:
        self.text = text
        self.order = tuple(choices)
        self.texts = {label: clean(words) for label, words in choices.items()}
        self.spans: list[tuple[int, int]] = []
        self.mentions = self._group(list(self._singles()))
        self.at = {mention.start: index for index, mention in enumerate(self.mentions)}
        self.starts = [mention.start for mention in self.mentions]
        self.items, self.restated = self._items()

    # mentions

    def _singles(self) -> Iterator[Mention]:
        pattern, spellings = labels(self.order)
        said = 0
        for match in pattern.finditer(self.text):
            if match.start() < said:
                continue
            word = match[0]
            label = spellings.get(word)
            if label is not None:
                found = frozenset({label})
            elif len(word) > 1:
                found = frozenset(spellings[letter] for letter in word)
            else:
                found = frozenset()
            if (word.lower() in {"a", "i"} or word.isdigit()) and not self._stands_as_word(match, label):
                continue
            if label is not None and (own := self._own_end(match.end(), label)) is not None:
                # What stands in a choice's own text is the question's words, not the model's.
                self.spans.append((match.end(), own))
                said = own
            elif words.IN_FORMULA.match(self.text, match.end()):
                continue
            yield Mention(match.start(), match.end(), found)

    def _stands_as_word(self, match: re.Match[str], label: str | None) -> bool:
        """Whether ``a``, ``I`` or a number is meant as a label: an article goes on with a word."""
        if words.WORD_STANDS.match(self.text, match.end()):
            return True
        if match[0].isupper() and words.NAMED_OPTION.search(
            self.text[max(0, match.start() - 10) : match.start()]
        ):
            return True
        return label is not None and self._own_end(match.end(), label) is not None

    def _group(self, singles: list[Mention]) -> list[Mention]:
        """Mentions joined where they are listed: ``A、B和D``, ``A, B, and D``, ``A,B都``."""
        groups: list[Mention] = []
        chain: list[Mention] = []
        strong: list[bool] = []

        def close() -> None:
            if not chain:
                return
            first, last = chain[0], chain[-1]
            together = bool(strong) and (strong[-1] or words.PLURAL.match(self.text, last.end) is not None)
            # "答案是D，A和B都错": the first one stands for itself.
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
        """True for a conjunction between two mentions, False for a bare comma or blank, None for more."""
        if right.start - left.end > 24 or "\n" in self.text[left.end : right.start]:
            return None
        if words.LIST_JOINT.fullmatch(self.text, left.end, right.start):
            return True
        if comma := words.LIST_COMMA.fullmatch(self.text, left.end, right.start):
            return bool(re.search(r"and|or|和|或", comma[0]))
        return None

    def _own_end(self, end: int, label: str) -> int | None:
        """Where the label's own choice text ends, when it follows the label."""
        wording = self.texts[label].lstrip(words.JOINTS)
        if not wording:
            return None
        start = _past(words.OWN_JOINT, self.text, end)
        stop = start + len(wording)
        return stop if self.text[start:stop].casefold() == wording.casefold() else None

    def _items(self) -> tuple[frozenset[int], frozenset[int]]:
        """Mentions that head the items of a list in the choices' order; those of the choices restated."""
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
        """Whether an answer stands by itself before a list of others: ``A. Paris. Of the rest, B. Rome``."""
        end = self._own(answer)
        if end is None or not words.SENTENCE_END.match(self.text, end):
            return False
        begun = max((m.end() for m in words.SENTENCE_END.finditer(self.text, end, first.start)), default=end)
        return re.search(r"\w", self.text[begun : first.start]) is not None

    def _heads_item(self, mention: Mention) -> bool:
        if not words.ITEM.match(self.text, mention.end):
            return False
        before = self.text[max(0, mention.start - 1) : mention.start]
        return not before or not before.isalnum()

    # what is denied, supposed, asked

    def _leads_to(self, position: int) -> bool:
        skip = words.TO_NEXT.match(self.text, position)
        return skip is not None and skip.end() in self.at

    def denied(self) -> frozenset[int]:
        """Mentions that a text rejects."""
        found = {self.at[m.end()] for m in words.NOT_BEFORE.finditer(self.text) if m.end() in self.at}
        only = {self.at[m.end()] for m in words.ONLY_BEFORE.finditer(self.text) if m.end() in self.at}
        for index, mention in enumerate(self.mentions):
            listed = index in self.items or self._starts_line(mention.start)
            patterns = (words.DENIED, words.DENIED_ITEM) if listed else (words.DENIED,)
            own = self._own(mention)
            end = mention.end
            if own is not None:
                end, patterns = own, (words.DENIED_TEXT,)
            if any((m := p.match(self.text, end)) and not self._leads_to(m.end()) for p in patterns):
                found.add(index)
        return frozenset(found - only)

    def _clause_before(self, position: int) -> str:
        return words.CLAUSE_END.split(self.text[max(0, position - 24) : position])[-1]

    def _quoted(self, position: int) -> bool:
        """Whether a place is within a choice's own text behind its label."""
        index = bisect_right(self.spans, position, key=lambda span: span[0]) - 1
        return index >= 0 and position < self.spans[index][1]

    def _own(self, mention: Mention) -> int | None:
        return None if mention.label is None else self._own_end(mention.end, mention.label)

    def _of_an_option(self, position: int) -> bool:
        """Whether the clause up to a place is about one option (``选项A说的是``)."""
        index = bisect_right(self.starts, position) - 1
        if index < 0 or position - self.mentions[index].end > 24:
            return False
        return words.CLAUSE_END.search(self.text, self.mentions[index].end, position) is None

    def _asked(self, position: int) -> bool:
        end = words.CLAUSE_END.search(self.text, position, position + 40)
        return end is not None and (end[0] == "?" or self.text[end.start() - 1] in "吗么")

    def _starts_line(self, position: int) -> bool:
        before = self.text[max(0, position - 4) : position].rstrip(" ([【")
        return before.endswith("\n") or (not before and position <= 4)

    # claims

    def claims(self) -> list[Claim]:
        """What every rule reads, in the text's order."""
        if not self.text:
            return []
        denied = self.denied()
        found = [*self._marked(denied), *self._stated(denied), *self._line_claims(denied)]
        return sorted((c for c in found if not self._asked(c.end)), key=lambda c: (c.end, c.start))

    def _marked(self, denied: frozenset[int]) -> Iterator[Claim]:
        for marker in words.MARKERS:
            for match in marker.pattern.finditer(self.text):
                if self._quoted(match.start()):
                    continue
                claim = self._after_marker(marker, match, denied)
                if claim is not None:
                    yield claim
        for index in denied:
            end = words.INSTEAD.match(self.text, self.mentions[index].end)
            follow = self.at.get(end.end(), -1) if end else -1
            if end and follow >= 0 and follow not in denied and self.mentions[follow].labels:
                yield self._claim(follow, end.start(), Strength.FIRM)
        for index in denied:
            if index and index - 1 not in denied and index - 1 not in self.restated:
                kept = self.mentions[index - 1]
                if words.NOT_THE_NEXT.fullmatch(self.text, kept.end, self.mentions[index].start):
                    yield Claim(kept.start, kept.end, kept.label, Strength.STATED)
        for match in words.ONLY_BEFORE.finditer(self.text):
            index = self.at.get(match.end(), -1)
            if index < 0 or not self.mentions[index].labels:
                continue
            if after := words.ONLY_AFTER.match(self.text, self.mentions[index].end):
                strength = Strength.STATED if after[0].endswith("是") else Strength.FIRM
                yield self._claim(index, match.start(), strength)

    def _after_marker(self, marker: Marker, match: re.Match[str], denied: frozenset[int]) -> Claim | None:
        index = self.at.get(match.end())
        clause = self._clause_before(match.start())
        if words.SUPPOSED.search(clause) or words.NOT_TAIL.search(clause):
            return None
        tentative = words.TENTATIVE.search(clause) or words.TENTATIVE.search(match[0])
        strength = Strength.TENTATIVE if tentative else marker.strength
        joined = words.COPULA.search(match[0]) is not None
        also = words.ALSO.search(match[0]) is not None
        text = self._text_after(match, None if index is None else self.mentions[index], joined)
        if text and not self._of_an_option(match.start()):
            return Claim(match.start(), text[0], self._alone(*text), strength, also)
        if index is None or index in denied or index in self.restated:
            return None
        mention = self.mentions[index]
        own = self._own(mention) is not None
        if not mention.labels and not (
            strength >= Strength.FIRM and words.ENDS_PLAINLY.match(self.text, mention.end)
        ):
            return None
        if not own and not words.STANDS.match(self.text, mention.end):
            return None
        if (marker.ends or not joined) and not own and not words.ENDS.match(self.text, mention.end):
            return None
        return self._claim(index, match.start(), strength, also)

    def _claim(self, index: int, start: int, strength: Strength, also: bool = False) -> Claim:
        """A claim of one mention; of no single choice where another label follows a bare comma (``A, B``)."""
        mention = self.mentions[index]
        label = mention.label
        if index + 1 < len(self.mentions):
            follow = self.mentions[index + 1]
            listed = self._joint(mention, follow) is False and words.ENDS.match(self.text, follow.end)
            if listed and follow.label != label:
                label = None
        return Claim(start, self._own(mention) or mention.end, label, strength, also)

    def _text_after(
        self, match: re.Match[str], mention: Mention | None, joined: bool
    ) -> tuple[int, str] | None:
        """``(end, label)`` of the choice whose text follows a marker, the longest first."""
        if not joined:
            return None
        # The filler may have eaten the first words of the text: look a little back.
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
        """``(end, label)`` of the one longest choice text that stands at a place."""
        best: tuple[int, str] | None = None
        top = (0, False)
        same = False
        for label, wording in self.texts.items():
            end = start + len(wording)
            said = self.text[start:end]
            if not wording or said.casefold() != wording.casefold():
                continue
            if not words.TEXT_ENDS.match(self.text, end) and wording[-1].isalnum():
                continue
            rank = (end, said == wording)
            if best is None or rank > top:
                best, top, same = (end, label), rank, False
            elif rank == top:
                same = True
        return None if same else best

    def _alone(self, end: int, label: str) -> str | None:
        """``label``, or None where the text of another choice is listed after its own, which ends there."""
        for joint in (words.LIST_JOINT, words.LIST_COMMA):
            follow = self._text_at(_past(joint, self.text, end))
            if follow and follow[1] != label and words.ENDS.match(self.text, follow[0]):
                return None
        return label

    def _stated(self, denied: frozenset[int]) -> Iterator[Claim]:
        """``C is correct``, ``C是正确答案``, ``C项错误，符合题意``, a tick behind C."""
        for index, mention in enumerate(self.mentions):
            clause = self._clause_before(mention.start)
            if not mention.labels or words.SUPPOSED.search(clause) or words.THEN.search(clause):
                continue
            stop = self.mentions[index + 1].start if index + 1 < len(self.mentions) else len(self.text)
            stop = min(stop, mention.end + 120)
            own = self._own(mention)
            begin = _past(words.OWN_JOINT, self.text, mention.end) if own is None else own
            sentence = words.SENTENCE_END.search(self.text, begin, stop)
            sense = words.IN_QUESTION_SENSE.search(self.text, begin, sentence.start() if sentence else stop)
            if sense and not words.NOT_NEAR.search(self.text[max(begin, sense.start() - 5) : sense.start()]):
                yield Claim(mention.start, sense.end(), mention.label, Strength.FIRM)
                continue
            if index in denied:
                continue
            line = self.text.find("\n", mention.end, stop)
            if tick := words.TICK.search(self.text, mention.end, line if line >= 0 else stop):
                yield Claim(mention.start, tick.end(), mention.label, Strength.STATED)
                continue
            for _, pattern, strength in words.VERDICTS:
                if verdict := pattern.match(self.text, mention.end if own is None else own):
                    also = words.ALSO.search(verdict[0]) is not None
                    yield Claim(mention.start, verdict.end(), mention.label, strength, also)
                    break
            else:
                named = words.NAMED_OPTION.search(self.text[max(0, mention.start - 10) : mention.start])
                if index in self.items or named or words.ITEM.match(self.text, mention.end):
                    later = words.RIGHT_LATER.search(
                        self.text, begin, sentence.start() + 1 if sentence else stop
                    )
                    if later:
                        yield Claim(mention.start, later.end(), mention.label, Strength.STATED)

    def _line_claims(self, denied: frozenset[int]) -> Iterator[Claim]:
        """The first and the last line, where they are an answer; a first line that begins with one."""
        if (listed := self._list_at_top(denied)) is not None:
            yield Claim(0, listed, None, Strength.STATED)
            return
        first_end = self.text.find("\n")
        first_end = len(self.text) if first_end < 0 else first_end
        last_start = self.text.rfind("\n") + 1
        for start, end in {(0, first_end), (last_start, len(self.text)), (0, len(self.text))}:
            claim = self._line_claim(start, end, denied)
            if claim is not None:
                yield claim
        index = self.at.get(_past(words.LINE_OPEN, self.text), -1)
        if index >= 0 and index not in denied and index not in self.items:
            mention = self.mentions[index]
            own = self._own(mention) is not None
            follow = self.mentions[index + 1] if index + 1 < len(self.mentions) else None
            listed = follow is not None and self._joint(mention, follow) is not None
            if not listed and (own or words.LEAD_LOOSE.match(self.text, mention.end)):
                yield self._claim(index, 0, Strength.LEAD)
        text = self._text_at(_past(words.TEXT_LEAD, self.text))
        if text and words.TEXT_LEAD_ENDS.match(self.text, text[0]):
            yield Claim(0, text[0], self._alone(*text), Strength.LEAD)

    def _list_at_top(self, denied: frozenset[int]) -> int | None:
        """Where a first line ends that is one choice, whole, and goes on with the next: a list, cut off."""
        first: Mention | None = None
        end = 0
        for line in words.LINES.finditer(self.text):
            index = self.at.get(_past(words.NOT_WORD, self.text, line.start()), -1)
            mention = self.mentions[index] if index >= 0 else None
            if first is None:
                own = self._own(mention) if mention is not None else None
                if own is None or not words.LINE_TRAIL.match(self.text, own):
                    return None
                first, end = mention, line.end()
            elif mention is None or index in denied or not self._heads_item(mention):
                return None
            elif mention.label != first.label or len(line[0]) > end + 8:
                # What is explained one by one, after the answer, begins with the first choice.
                return None if mention.label in (first.label, self.order[0]) else end
        return None

    def _line_claim(self, start: int, end: int, denied: frozenset[int]) -> Claim | None:
        line = self.text[start:end]
        whole = bare(line)
        same = [label for label, words in self.texts.items() if words and bare(words) == whole]
        same = [label for label in same if unwrapped(self.texts[label]) == unwrapped(line)] or same
        if len(same) == 1 and not any(whole == label.casefold() for label in self.texts):
            return Claim(start, end, same[0], Strength.FIRM)
        lead = words.LINE_LEAD.match(self.text, start, end)
        index = self.at.get(lead.end(), -1) if lead else -1
        if index < 0 or index in denied or index in self.restated:
            return None
        mention = self.mentions[index]
        ends = [mention.end]
        if (own := self._own(mention)) is not None:
            ends.append(own)
        if any(words.LINE_TRAIL.match(self.text, stop) for stop in ends):
            return self._claim(index, start, Strength.FIRM) if mention.labels else None
        return None


def _past(pattern: re.Pattern[str], text: str, start: int = 0) -> int:
    """The place after what a pattern matches at ``start``; that place itself where it does not match."""
    match = pattern.match(text, start)
    return match.end() if match else start


def _union(mentions: list[Mention]) -> Mention:
    labels = frozenset[str]().union(*(m.labels for m in mentions))
    return Mention(mentions[0].start, mentions[-1].end, labels)

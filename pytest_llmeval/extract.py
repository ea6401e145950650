"""Reading an answer out of what a model wrote: ``(text, choices) -> a label of choices, or None``.

``choice`` is this project's own reader. It notes every place where a label is mentioned, drops what is
negated, supposed or asked, and lets the named rules of ``_MARKERS`` (words that lead up to an answer),
``_VERDICTS`` (words that follow one) and ``_line_claims`` (lines that are an answer) turn mentions into
claims of five strengths. The strongest claims must agree; what they do not say is None, never a guess.

``first_capital`` and ``first_option`` are OpenCompass' rules, for parity with its published numbers.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import TypeAlias

Extractor: TypeAlias = Callable[[str, Mapping[str, str]], "str | None"]

# --- reasoning --------------------------------------------------------------------------------------

_THINK_TAG = re.compile(r"<(/?)think(?:ing)?[ \t]*>", re.I)


def split_reasoning(text: str) -> tuple[str, str]:
    """``(text, reasoning)``: the ``<think>`` (or ``<thinking>``) blocks taken out of a text.

    An unclosed block reaches to the end; a closing tag without an opening one makes all before it reasoning.
    A text without tags comes back unchanged.
    """
    said: list[str] = []
    thought: list[str] = []
    inside = False
    seen = 0
    for tag in _THINK_TAG.finditer(text):
        piece = text[seen : tag.start()].strip()
        closing = tag[1] == "/"
        if closing and not inside:
            thought += said
            said = []
        (thought if inside or closing else said).append(piece)
        inside = not closing
        seen = tag.end()
    if not seen:
        return text, ""
    (thought if inside else said).append(text[seen:].strip())
    # Joined by newlines, which no tag may hold, so that two pieces never make a new tag.
    return "\n".join(filter(None, said)), "\n".join(filter(None, thought))


# --- cleaning ---------------------------------------------------------------------------------------

_MARKUP = (
    (re.compile(r"\r\n?|<br ?/?>", re.I), "\n"),
    (
        re.compile(r"\\(?:text|math|operatorname|large|Large|huge|bf|rm)[a-z]*\b ?|\\[,;!\[\]()]|\\q?quad\b"),
        "",
    ),
    (re.compile("[*_`$\\0-\\x08\\x0b-\\x1f\\x7f\\u200b-\\u200f\\ufeff\\ufe0f]+"), ""),
    (re.compile(r"[^\S\n]+"), " "),
    (re.compile(r"(?: ?\n){3,}"), "\n\n"),
    (re.compile(r"^ ?(?:[-•·+] |[#>|] ?)+|[ |]+$", re.M), ""),
)


def _clean(text: str) -> str:
    """Half-width, without markdown, LaTeX fonts, control characters and surrounding blanks."""
    text = unicodedata.normalize("NFKC", text)
    for pattern, to in _MARKUP:
        text = pattern.sub(to, text)
    return text.strip()


def _unwrapped(text: str) -> str:
    """Without the quotes, brackets and stops around it."""
    return text.strip(" \n\t\"'“”‘’「」『』《》【】()[]{}<>。.,;:!、")


def _bare(text: str) -> str:
    return _unwrapped(text).casefold()


# --- the words --------------------------------------------------------------------------------------

_OPEN = r"[\s\"'“”‘’「『《【】\[\](){}<>:=,→~-]"
_ZH_FILL = (
    rf"(?:{_OPEN}|应该|应当|应|该|就|只能|只|肯定|显然|明显|确定|必然|一定|当然|还|很|可能|也许|或许"
    rf"|大概|似乎"
    r"|好像|是|为|即|乃|选择|选项|选|项|一项|字母|如下|正确|最佳|最合适|最|的|我|认为|觉得|猜测|猜|会|要"
    r"|了|option\b)*+"
)
_EN_FILL = (
    rf"(?:{_OPEN}|(?:is|are|be|was|would|should|must|will|could|may|might|has|to|the|therefore|thus|then"
    rf"|hence"
    r"|clearly|definitely|certainly|obviously|indeed|actually|simply|most|likely|probably|possibly"
    r"|correct|right"
    r"|best|option|choice|answer|letter|number|that's|that|it's|it|only|with|selected|given|by|below"
    r"|above|as|follows)\b)*+"
)


class _Strength(IntEnum):
    """How definite a claim is; only the strongest ones of a text count."""

    TENTATIVE = 1
    LEAD = 2
    STATED = 3
    FIRM = 4
    FINAL = 5


@dataclass(frozen=True, slots=True)
class _Marker:
    """Words that lead up to an answer. ``ends``: the clause must end after the label."""

    name: str
    pattern: re.Pattern[str]
    strength: _Strength = _Strength.FIRM
    ends: bool = False


def _marker(name: str, pattern: str, fill: str, *, final: bool = False, ends: bool = False) -> _Marker:
    strength = _Strength.FINAL if final else _Strength.FIRM
    return _Marker(name, re.compile(f"(?:{pattern}){fill}", re.I), strength, ends)


_MARKERS = (
    _marker("boxed", r"\\f?boxed ?(?=\{)", _EN_FILL, final=True),
    _marker("tag", r"<(?:final_?)?(?:answer|ans|choice|答案)>", _EN_FILL, final=True),
    _marker(
        "json",
        r"[\"'](?:(?:final|correct)[ _]?)?(?:answer|choice|option|选项|(?:正确|最终)?答案)[\"'] ?:",
        _EN_FILL,
        final=True,
    ),
    _marker("final zh", r"(?:最终|最后)的?(?:正确)?(?:答案|选择|结论|选)", _ZH_FILL, final=True),
    _marker("final en", r"\bfinal (?:answer|choice|option)\b", _EN_FILL, final=True),
    _marker("answer zh", r"答案|(?<![回解问作])答 ?[:,]", _ZH_FILL),
    _marker("choose zh", r"(?<![候备误错挑])选(?!项|手|举|修)(?:择(?!题|性))?", _ZH_FILL),
    _marker(
        "option is zh",
        r"(?<![A-Za-z0-9])(?<!错误)(?<!其[他它余])选项(?:应该|应当|应)?(?:是|为|:)|正确的?(?:选项|一项)",
        _ZH_FILL,
    ),
    _marker(
        "the right one zh",
        r"的(?:一项|选项|说法|表述|叙述|做法|观点|陈述)?(?:应该|应当|应)?[是为]|不?(?:正确|错误|不当"
        r"|恰当|合适|合理|准确|有误|符合题意|属于|不符|对|错)的"
        r"(?:一项|选项|说法|表述|叙述|做法|观点|陈述)?(?:应该|应当|应)?(?:是|为|:)",
        _ZH_FILL,
    ),
    _marker(
        "should be zh",
        r"(?:应该|应当|应|而|其实|实际上|只能|我想|认为|觉得|猜测?)(?:就?是|为)|我猜",
        _ZH_FILL,
    ),
    _marker(
        "therefore zh",
        r"所以|因此|因而|故而?|可[知见得]|[意此]得|得出|显然|只剩下?|剩下的?(?:只有|就是)?|综上(?:所述)?"
        r"|结论(?=是|为|:)|(?<=[\n,。])(?:就?是)",
        _ZH_FILL,
        ends=True,
    ),
    _marker("answer en", r"\banswers?\b(?: (?:to|for|of|here)\b[^.:\n]{0,80}? (?:is|be)\b)?", _EN_FILL),
    _marker("short answer en", r"(?<![^\n])(?:A|Ans) ?[:.](?= ?\(?[A-Za-z0-9]\)?\.?(?!\S))", _EN_FILL),
    _marker(
        "choose en",
        r"\b(?:choose|choosing|chose|select|selecting|pick|picking|go(?:ing)? with|opt(?:ing)? for"
        r"|settl(?:e|ing) on)\b",
        _EN_FILL,
    ),
    _marker(
        "the right one en",
        r"\b(?:correct|right|best|true|accurate|appropriate|false|incorrect(?! \w+ ?:))"
        r" (?:option|choice|one|statement|letter|response|alternative|selection) ?(?:is|would be|must be"
        r"|:|=)",
        _EN_FILL,
    ),
    _marker(
        "heading en",
        r"\b(?:correct|right|best|selected|chosen|my|option|choice|selection)"
        r"(?: (?:option|choice|answer|selection))? ?[:=]",
        _EN_FILL,
    ),
    _marker(
        "therefore en",
        r"\b(?:so|therefore|thus|hence|consequently|in (?:conclusion|summary|short))\b|(?<=[,;] )but\b",
        _EN_FILL,
        ends=True,
    ),
    _marker(
        "it is en",
        r"\b(?:it|that)(?:'s| is| must be| should be| has to be| would be| might be| could be)\b"
        r"|\bi(?:'d| would)? (?:say|guess|think|believe)\b|\b(?:maybe|perhaps|probably)\b",
        _EN_FILL,
        ends=True,
    ),
    _marker("maybe zh", r"可能是|也许是|或许是|大概是|似乎是|好像是", _ZH_FILL, ends=True),
)

# Without one of these between marker and label, the label must end its clause ("答案A的意思是" does not).
_COPULA = re.compile(r"[是为选:=即\n{>]|应|\b(?:is|be|are)\b|(?:choos|chose|select|pick|with|for|on)", re.I)

_NOT_BEFORE = re.compile(
    r"(?:不是|并非|绝非|不能是|不可能是|不会是|不应该?[是选]|不(?:能|可|该|要|会|宜|可能)?选|别选|误选"
    r"|错选|排除|剔除|除去|除了?"
    r"|而非|不为|\bnot|n't(?: be)?|\bcannot be|\brather than|\binstead of|\brul(?:e|es|ed|ing) out"
    r"|\beliminat(?:e|es|ed|ing)"
    r"|\bexclud(?:e|es|ed|ing)|\bexcept(?: for)?|\bother than|\bneither)"
    r"(?:[\s(\"'\[]|掉|了|选择?|选项|答案|(?:the|be|answer|options?|choices?)\b)*+",
    re.I,
)
_ONLY_BEFORE = re.compile(
    r"(?:只有|唯有|仅有|\bonly)(?:[\s(\"']|选项|选|答案|(?:option|choice|answer)\b)*+", re.I
)
_SUPPOSED = re.compile(
    r"同学|有人|的人|多人|老师|考生|学生|\b(?:some|many|people|students|you (?:might|may|could))\b|如果"
    r"|假如|假设|假定|要是|倘若|若|\b(?:if(?! i (?:had|have|must))|suppose|assum\w+|whether|between)\b",
    re.I,
)
_THEN = re.compile(r"那么|则|\bthen\b", re.I)
_TENTATIVE = re.compile(
    r"可能|也许|或许|大概|似乎|好像|看起来|乍一?看|初步|猜|\b(?:maybe|perhaps|might|could|may|possibly"
    r"|probably|likely|guess"
    r"|seems?|looks like|at first|initially)\b",
    re.I,
)

_SUBJECT = (
    r"[ )\]}\"'”’】」』》]*+(?:选项|项|答案|(?:option|choice|answer)\b)?+ ?"
    r"(?:的?(?:说法|表述|描述|观点|内容|叙述|做法|解释|陈述|结论|判断))?+"
)
_ADVERBS = (
    r"(?:[ (]|都|均|皆|全|也|则|才|就|是|显然|明显|完全|最|更|为|本身|肯定|确实|同样|(?:is|are|was|were"
    r"|be|being|clearly"
    r"|obviously|indeed|also|both|all|the|definitely|therefore|thus|most|only|likely|probably"
    r"|actually)(?![a-z]))*+"
)
_DENIAL = (
    r"错|×|✗|✘|❌|❎|[不](?!仅|但|妨|过|难|会错)|有误|无关|没(?!错|问题)|无法|未(?!必不)|并[不非]|非"
    r"|排除|与题[意干]不"
    r"|(?:is|are|was|were|do|does|can|could|should|must)n't\b|cannot\b|(?:does |do |should |must )?not\b"
    r"|incorrect|wrong|false|untrue|(?:can be |should be |must be )?(?:ruled out|eliminated|excluded)"
    r"|unrelated|irrelevant"
)
_DENIED = re.compile(f"{_SUBJECT}{_ADVERBS}(?:{_DENIAL})", re.I)
_DENIED_LIST = re.compile(f"[两三] ?(?:个|项)|{_SUBJECT}{_ADVERBS}(?:{_DENIAL})", re.I)
_DENIED_ITEM = re.compile(f"{_SUBJECT} ?[.:、)-] ?{_ADVERBS}(?:{_DENIAL})", re.I)

_DENIED_TEXT = re.compile(f"[ )\"'”’」』]*[:(—–-]* ?{_ADVERBS}(?:{_DENIAL})", re.I)

_RIGHT = (
    r"(?:正确(?!的[^\s。.,;!)])|合适|恰当|准确|贴切|适合|符合(?=[\s。.,;!)]|$)|没错|成立"
    r"|对的?(?=[\s。.,;!)]|$|[A-Z][错对不])|(?:correct|right|true|accurate)\b)"
)
_VERDICTS = (
    (
        "is the answer",
        re.compile(
            f"{_SUBJECT},?{_ADVERBS}(?:(?:正确|最佳|标准|唯一|最合适|合适)的?(?:答案|选项|选择|一项)"
            f"|答案|当选|符合题意"
            r"|(?:correct |right |best |only |appropriate |accurate )+(?:answer|option|choice|one"
            r"|response)\b|answer\b"
            r"|best\b)",
            re.I,
        ),
        _Strength.FIRM,
    ),
    ("is right", re.compile(f"{_SUBJECT} ?[.:、)]? ?,?{_ADVERBS}{_RIGHT}", re.I), _Strength.STATED),
)
# Further on in the same sentence, before any other label.
_IN_QUESTION_SENSE = re.compile(r"符合题[意目干设]|符合(?:本题)?要求|当选")
_NOT_NEAR = re.compile(r"[不未没非][^,。;\n]{0,3}$")
_TICK = re.compile(r"[✅✓✔☑]|√(?![\w(\\{])")
_RIGHT_LATER = re.compile(
    r"(?<![不太])(?:正确|[,:;—-] ?对|\bis (?:correct|right|true))(?=的?(?:[\s。.,;!)]|$))", re.I
)
_ALSO = re.compile(r"也|同样|\b(?:also|too|equally)\b", re.I)

_CORRECTION = re.compile(
    r"不对|不,|等等|等一下|且慢|但|然而|不过|其实|实际上|更正|纠正|修正|改[为选]|重新|再[想看]|抱歉|仔细"
    r"|错了|而是|最终|综上"
    r"|\b(?:wait|actually|however|but|sorry|correction|on second thought|no[,.]|hmm|rather|final"
    r"|in conclusion|to sum up)",
    re.I,
)
_RETRACTION = re.compile(
    r"(?<![^\n。.!?…])[^\S\n]*(?:(?:哦|噢|嗯|啊|呃)[,…. ]*)?(?:等等|等一下|不对|且慢|我错了|(?:oh "
    r"|hmm,? |but )?wait\b|"
    r"(?:no|hmm),? wait\b)(?=[\s,。.!…:—-]|$)",
    re.I,
)
_LIST_JOINT = re.compile(
    r"[\s)\]\"'”’]*(?:、|和|与|及|以及|或者?|还是|跟|/|&|and|or|nor|plus|\+)[\s(\[\"'“‘]*(?:选项|项"
    r"|options?)? *"
)
_LIST_COMMA = re.compile(
    r"[)\]\"'”’]*(?:项|选项)?(?: ?, ?(?:and |or |和|或)?| )[(\[\"'“‘]*(?:选项|options?)? *"
)
_LED = re.compile(r"(?:是|为|选|答案|项|[:=]|\b(?:is|answer|option|choice)) ?\(?$", re.I)
_PLURAL = re.compile(rf"{_SUBJECT} ?(?:都|均|皆|全|也都|are\b|were\b|all\b|both\b)", re.I)

_ENDS = re.compile(r"[^\S\n]*(?:选项|项)?[^\S\n]*[了吧啊呢哦啦]?(?:$|[^\w\s]|\n)")
_ENDS_PLAINLY = re.compile(r"[^\S\n]*(?:$|[\n。.!,;)])")
_STANDS = re.compile(
    r"$|\W|[项选是为因由这吧呢哦啦啊了才对正即所而但其最更不没错当符说也就都均和与或及均明完]"
)
_WORD_STANDS = re.compile(
    r"(?!\.\d)[^\S\n]*(?:$|[^\w\s]|\n"
    r"|[项选是为因由这吧呢哦啦啊了才对正即所而但其最更不没错当符说也就都均和与或及均明完]"
    r"|(?:because|since|as|is|isn't|are|was|and|or|nor|but|so|which|due|given|rather|instead|over|not"
    r"|would|should|must|seems|has|does|here)\b)",
    re.I,
)
_NAMED_OPTION = re.compile(r"(?:选项|option|choice|answer)[\s(\"']*$", re.I)
_LINES = re.compile(r"[^\n]+")
_NOT_WORD = re.compile(r"[^\w\n]*")
_CLAUSE_END = re.compile(r"[,。.!?;\n]")

_LINE_LEAD = re.compile(
    r"[^\w\n]*(?:[嗯哦呃啊那么就]{1,3}[^\w\n]*)?(?:第? ?\d{1,3} ?(?:题|[.、):]) ?)?(?:(?:正确"
    r"|我的?)?(?:选项|选择|选|答案|答|option|choice|answer))?[^\w\n]*",
    re.I,
)
_LINE_TRAIL = re.compile(r"[^\w\n?]*(?:选项|项|吧|哦|啦|。)?[^\w\n?]*(?:\n|$)")
_LEAD_LOOSE = re.compile(
    r"[)\]】]?(?:选?项)? ?(?:[.、),。-] ?(?=\S)|\n|,? ?(?:because|since|as|因为|由于)"
    r"| \([^()\n]{0,40}\)[ .。]*(?:\n|$))",
    re.I,
)
_ITEM = re.compile(r"[)\]】]? ?(?:选?项)? ?[.、:)]|$")
_JOINTS = " .、:(),\"“「'—>-"
_OWN_JOINT = re.compile(rf"[)\]】}}]?(?:选?项)?[{_JOINTS}]*")
_TO_NEXT = re.compile(r"(?:[ (\"'\[]|是|为|选|选项|(?:the|option|choice|answer)\b)*+", re.I)
_TEXT_ENDS = re.compile(r"$|[^\w]")
_ARTICLE = re.compile(r"(?:an?|the) ", re.I)
_INSTEAD = re.compile(
    r"[ ,;.]*(?:but(?: rather)?|而(?:应该?)?[是选为]|应该?[是选为]|(?:所以|so)?,? ?it(?:'s| is))(?:[ (]"
    r"|选项|选|(?:option|choice)\b)*+",
    re.I,
)
_NOT_THE_NEXT = re.compile(
    r"[ ,)]*(?:而非|而?不是|rather than|instead of|(?:and )?not) ?(?:选项|(?:option|choice) )?[ (]*", re.I
)
_NOT_TAIL = re.compile(
    r"(?:不是|并非|不能|不可能|不应该?|不会|不|没有?|not|n't|别|勿|错误的?|incorrect|wrong) ?$", re.I
)
_ONLY_AFTER = re.compile(
    r"[ )]*(?:选?项)?(?:的?(?:说法|表述|描述|观点|叙述|做法))?[ 是最才]*(?:对|错|不?正确|不|符合|属于"
    r"|成立|满足|能|可以|(?<=是)|$|[。.,;!\n]|is\b)"
)
_SENTENCE_END = re.compile(r"[。;\n]|\.(?= |$)")
_LINE_OPEN = re.compile(
    r"[^\w]*(?:第? ?\d{1,3} ?(?:题|[.、):]) ?)?(?:(?:选项|选|option|choice) ?)?[^\w]*", re.I
)
_TEXT_LEAD_ENDS = re.compile(r"$|[,。.;:!\n(—]|因")
_TEXT_LEAD = re.compile(r"(?:我(?:认为|觉得|想)|应该|应当|应|就|是|选|it is|it's|the)*", re.I)

_ROLE_MARK = re.compile(r"^\s*(?:<\|[^|<>\n]{1,30}\|>\s*)+")
_NEXT_TURN = re.compile(
    r"<\|[a-z_]{2,20}\|>|</s>|<eos>|\n ?(?:题目|问题|问|Question|Q|Human|User|用户"
    r"|Problem)(?: ?\d{1,3})? ?[:.]|\n以下是(?:中国)?关于",
    re.I,
)


# --- choice -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mention:
    """Labels named together; ``labels`` is empty for a letter that is no choice."""

    start: int
    end: int
    labels: frozenset[str]

    @property
    def label(self) -> str | None:
        """The one label, or None of several or none."""
        return next(iter(self.labels)) if len(self.labels) == 1 else None


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a rule read: a label, or None where it names no single choice."""

    start: int
    end: int
    label: str | None
    strength: _Strength
    also: bool = False


@lru_cache(maxsize=64)
def _labels(labels: tuple[str, ...]) -> tuple[re.Pattern[str], Mapping[str, str]]:
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
    pattern = rf"(?<![A-Za-z0-9\\°])(?:{names}|{run}[A-Z])(?![A-Za-z0-9])(?!['’-][A-Za-z]|[+#°%])"
    return re.compile(pattern), spellings


class _Reader:
    """One cleaned text with its mentions, ready to be read by the rules."""

    def __init__(self, text: str, choices: Mapping[str, str]) -> None:
        self.text = text
        self.order = tuple(choices)
        self.texts = {label: _clean(words) for label, words in choices.items()}
        self.spans: list[tuple[int, int]] = []
        self.mentions = self._group(list(self._singles()))
        self.at = {mention.start: index for index, mention in enumerate(self.mentions)}
        self.starts = [mention.start for mention in self.mentions]
        self.items, self.restated = self._items()

    # mentions

    def _singles(self) -> Iterator[_Mention]:
        pattern, spellings = _labels(self.order)
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
            yield _Mention(match.start(), match.end(), found)

    def _stands_as_word(self, match: re.Match[str], label: str | None) -> bool:
        """Whether ``a``, ``I`` or a number is meant as a label: an article goes on with a word."""
        if _WORD_STANDS.match(self.text, match.end()):
            return True
        if match[0].isupper() and _NAMED_OPTION.search(self.text[max(0, match.start() - 10) : match.start()]):
            return True
        return label is not None and self._own_end(match.end(), label) is not None

    def _group(self, singles: list[_Mention]) -> list[_Mention]:
        """Mentions joined where they are listed: ``A、B和D``, ``A, B, and D``, ``A,B都``."""
        groups: list[_Mention] = []
        chain: list[_Mention] = []
        strong: list[bool] = []

        def close() -> None:
            if not chain:
                return
            first, last = chain[0], chain[-1]
            together = bool(strong) and (strong[-1] or _PLURAL.match(self.text, last.end) is not None)
            # "答案是D，A和B都错": the first one stands for itself.
            led = _LED.search(self.text[max(0, first.start - 8) : first.start]) is not None
            alone = led and _DENIED_LIST.match(self.text, last.end) is not None
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

    def _joint(self, left: _Mention, right: _Mention) -> bool | None:
        """True for a conjunction between two mentions, False for a bare comma or blank, None for more."""
        if right.start - left.end > 24 or "\n" in self.text[left.end : right.start]:
            return None
        if _LIST_JOINT.fullmatch(self.text, left.end, right.start):
            return True
        if comma := _LIST_COMMA.fullmatch(self.text, left.end, right.start):
            return bool(re.search(r"and|or|和|或", comma[0]))
        return None

    def _own_end(self, end: int, label: str) -> int | None:
        """Where the label's own choice text ends, when it follows the label."""
        words = self.texts[label].lstrip(_JOINTS)
        if not words:
            return None
        start = _past(_OWN_JOINT, self.text, end)
        stop = start + len(words)
        return stop if self.text[start:stop].casefold() == words.casefold() else None

    def _items(self) -> tuple[frozenset[int], frozenset[int]]:
        """Mentions that head the items of a list in the choices' order; those of the choices restated."""
        items: set[int] = set()
        restated: set[int] = set()
        run: list[int] = []

        def close() -> None:
            if len(run) > 1:
                items.update(run)
                own = [
                    i
                    for i in run
                    if self._own_end(self.mentions[i].end, self.order[run.index(i)]) is not None
                ]
                if len(own) > 1:
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

    def _heads_item(self, mention: _Mention) -> bool:
        if not _ITEM.match(self.text, mention.end):
            return False
        before = self.text[max(0, mention.start - 1) : mention.start]
        return not before or not before.isalnum()

    # what is denied, supposed, asked

    def _leads_to(self, position: int) -> bool:
        skip = _TO_NEXT.match(self.text, position)
        return skip is not None and skip.end() in self.at

    def denied(self) -> frozenset[int]:
        """Mentions that a text rejects."""
        found = {self.at[m.end()] for m in _NOT_BEFORE.finditer(self.text) if m.end() in self.at}
        only = {self.at[m.end()] for m in _ONLY_BEFORE.finditer(self.text) if m.end() in self.at}
        for index, mention in enumerate(self.mentions):
            listed = index in self.items or self._starts_line(mention.start)
            patterns = (_DENIED, _DENIED_ITEM) if listed else (_DENIED,)
            own = self._own(mention)
            end = mention.end
            if own is not None:
                end, patterns = own, (_DENIED_TEXT,)
            if any((m := p.match(self.text, end)) and not self._leads_to(m.end()) for p in patterns):
                found.add(index)
        return frozenset(found - only)

    def _clause_before(self, position: int) -> str:
        return _CLAUSE_END.split(self.text[max(0, position - 24) : position])[-1]

    def _quoted(self, position: int) -> bool:
        """Whether a place is within a choice's own text behind its label."""
        index = bisect_right(self.spans, position, key=lambda span: span[0]) - 1
        return index >= 0 and position < self.spans[index][1]

    def _own(self, mention: _Mention) -> int | None:
        return None if mention.label is None else self._own_end(mention.end, mention.label)

    def _of_an_option(self, position: int) -> bool:
        """Whether the clause up to a place is about one option (``选项A说的是``)."""
        index = bisect_right(self.starts, position) - 1
        if index < 0 or position - self.mentions[index].end > 24:
            return False
        return _CLAUSE_END.search(self.text, self.mentions[index].end, position) is None

    def _asked(self, position: int) -> bool:
        end = _CLAUSE_END.search(self.text, position, position + 40)
        return end is not None and (end[0] == "?" or self.text[end.start() - 1] in "吗么")

    def _starts_line(self, position: int) -> bool:
        before = self.text[max(0, position - 4) : position].rstrip(" ([【")
        return before.endswith("\n") or (not before and position <= 4)

    # claims

    def claims(self) -> list[_Claim]:
        """What every rule reads, in the text's order."""
        if not self.text:
            return []
        denied = self.denied()
        found = [*self._marked(denied), *self._stated(denied), *self._line_claims(denied)]
        return sorted((c for c in found if not self._asked(c.end)), key=lambda c: (c.end, c.start))

    def _marked(self, denied: frozenset[int]) -> Iterator[_Claim]:
        for marker in _MARKERS:
            for match in marker.pattern.finditer(self.text):
                if self._quoted(match.start()):
                    continue
                claim = self._after_marker(marker, match, denied)
                if claim is not None:
                    yield claim
        for index in denied:
            end = _INSTEAD.match(self.text, self.mentions[index].end)
            follow = self.at.get(end.end(), -1) if end else -1
            if end and follow >= 0 and follow not in denied and self.mentions[follow].labels:
                yield self._claim(follow, end.start(), _Strength.FIRM)
        for index in denied:
            if index and index - 1 not in denied and index - 1 not in self.restated:
                kept = self.mentions[index - 1]
                if _NOT_THE_NEXT.fullmatch(self.text, kept.end, self.mentions[index].start):
                    yield _Claim(kept.start, kept.end, kept.label, _Strength.STATED)
        for match in _ONLY_BEFORE.finditer(self.text):
            index = self.at.get(match.end(), -1)
            if index < 0 or not self.mentions[index].labels:
                continue
            if after := _ONLY_AFTER.match(self.text, self.mentions[index].end):
                strength = _Strength.STATED if after[0].endswith("是") else _Strength.FIRM
                yield self._claim(index, match.start(), strength)

    def _after_marker(self, marker: _Marker, match: re.Match[str], denied: frozenset[int]) -> _Claim | None:
        index = self.at.get(match.end())
        clause = self._clause_before(match.start())
        if _SUPPOSED.search(clause) or _NOT_TAIL.search(clause):
            return None
        tentative = _TENTATIVE.search(clause) or _TENTATIVE.search(match[0])
        strength = _Strength.TENTATIVE if tentative else marker.strength
        joined = _COPULA.search(match[0]) is not None
        text = self._text_after(match, None if index is None else self.mentions[index], joined)
        if text and not self._of_an_option(match.start()):
            return _Claim(match.start(), text[0], text[1], strength)
        if index is None or index in denied or index in self.restated:
            return None
        mention = self.mentions[index]
        own = self._own(mention) is not None
        if not mention.labels and not (
            strength >= _Strength.FIRM and _ENDS_PLAINLY.match(self.text, mention.end)
        ):
            return None
        if not own and not _STANDS.match(self.text, mention.end):
            return None
        if (marker.ends or not joined) and not own and not _ENDS.match(self.text, mention.end):
            return None
        return self._claim(index, match.start(), strength)

    def _claim(self, index: int, start: int, strength: _Strength, also: bool = False) -> _Claim:
        """A claim of one mention; of no single choice where another label follows a bare comma (``A, B``)."""
        mention = self.mentions[index]
        label = mention.label
        if index + 1 < len(self.mentions):
            follow = self.mentions[index + 1]
            listed = self._joint(mention, follow) is False and _ENDS.match(self.text, follow.end)
            if listed and follow.label != label:
                label = None
        return _Claim(start, self._own(mention) or mention.end, label, strength, also)

    def _text_after(
        self, match: re.Match[str], mention: _Mention | None, joined: bool
    ) -> tuple[int, str] | None:
        """``(end, label)`` of the choice whose text follows a marker, the longest first."""
        if not joined:
            return None
        # The filler may have eaten the first words of the text: look a little back.
        beyond = mention.end + 1 if mention is not None and mention.labels else match.end()
        best: tuple[int, str] | None = None
        article = _ARTICLE.match(self.text, match.end())
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
        for label, words in self.texts.items():
            end = start + len(words)
            said = self.text[start:end]
            if not words or said.casefold() != words.casefold():
                continue
            if not _TEXT_ENDS.match(self.text, end) and words[-1].isalnum():
                continue
            rank = (end, said == words)
            if best is None or rank > top:
                best, top, same = (end, label), rank, False
            elif rank == top:
                same = True
        return None if same else best

    def _stated(self, denied: frozenset[int]) -> Iterator[_Claim]:
        """``C is correct``, ``C是正确答案``, ``C项错误，符合题意``, a tick behind C."""
        for index, mention in enumerate(self.mentions):
            clause = self._clause_before(mention.start)
            if not mention.labels or _SUPPOSED.search(clause) or _THEN.search(clause):
                continue
            stop = self.mentions[index + 1].start if index + 1 < len(self.mentions) else len(self.text)
            stop = min(stop, mention.end + 120)
            own = self._own(mention)
            begin = _past(_OWN_JOINT, self.text, mention.end) if own is None else own
            sentence = _SENTENCE_END.search(self.text, begin, stop)
            sense = _IN_QUESTION_SENSE.search(self.text, begin, sentence.start() if sentence else stop)
            if sense and not _NOT_NEAR.search(self.text[max(begin, sense.start() - 5) : sense.start()]):
                yield _Claim(mention.start, sense.end(), mention.label, _Strength.FIRM)
                continue
            if index in denied:
                continue
            line = self.text.find("\n", mention.end, stop)
            if tick := _TICK.search(self.text, mention.end, line if line >= 0 else stop):
                yield _Claim(mention.start, tick.end(), mention.label, _Strength.STATED)
                continue
            for _, pattern, strength in _VERDICTS:
                if verdict := pattern.match(self.text, mention.end if own is None else own):
                    also = _ALSO.search(verdict[0]) is not None
                    yield _Claim(mention.start, verdict.end(), mention.label, strength, also)
                    break
            else:
                named = _NAMED_OPTION.search(self.text[max(0, mention.start - 10) : mention.start])
                if index in self.items or named or _ITEM.match(self.text, mention.end):
                    later = _RIGHT_LATER.search(self.text, begin, sentence.start() + 1 if sentence else stop)
                    if later:
                        yield _Claim(mention.start, later.end(), mention.label, _Strength.STATED)

    def _line_claims(self, denied: frozenset[int]) -> Iterator[_Claim]:
        """The first and the last line, where they are an answer; a first line that begins with one."""
        if (listed := self._list_at_top(denied)) is not None:
            yield _Claim(0, listed, None, _Strength.STATED)
            return
        first_end = self.text.find("\n")
        first_end = len(self.text) if first_end < 0 else first_end
        last_start = self.text.rfind("\n") + 1
        for start, end in {(0, first_end), (last_start, len(self.text)), (0, len(self.text))}:
            claim = self._line_claim(start, end, denied)
            if claim is not None:
                yield claim
        index = self.at.get(_past(_LINE_OPEN, self.text), -1)
        if index >= 0 and index not in denied and index not in self.items:
            mention = self.mentions[index]
            own = self._own(mention) is not None
            follow = self.mentions[index + 1] if index + 1 < len(self.mentions) else None
            listed = follow is not None and self._joint(mention, follow) is not None
            if not listed and (own or _LEAD_LOOSE.match(self.text, mention.end)):
                yield self._claim(index, 0, _Strength.LEAD)
        text = self._text_at(_past(_TEXT_LEAD, self.text))
        if text and _TEXT_LEAD_ENDS.match(self.text, text[0]):
            yield _Claim(0, text[0], text[1], _Strength.LEAD)

    def _list_at_top(self, denied: frozenset[int]) -> int | None:
        """Where a first line ends that is one choice, whole, and goes on with the next: a list, cut off."""
        first: _Mention | None = None
        end = 0
        for line in _LINES.finditer(self.text):
            index = self.at.get(_past(_NOT_WORD, self.text, line.start()), -1)
            mention = self.mentions[index] if index >= 0 else None
            if first is None:
                own = self._own(mention) if mention is not None else None
                if own is None or not _LINE_TRAIL.match(self.text, own):
                    return None
                first, end = mention, line.end()
            elif mention is None or index in denied or not self._heads_item(mention):
                return None
            elif mention.label != first.label or len(line[0]) > end + 8:
                # What is explained one by one, after the answer, begins with the first choice.
                return None if mention.label in (first.label, self.order[0]) else end
        return None

    def _line_claim(self, start: int, end: int, denied: frozenset[int]) -> _Claim | None:
        line = self.text[start:end]
        whole = _bare(line)
        same = [label for label, words in self.texts.items() if words and _bare(words) == whole]
        same = [label for label in same if _unwrapped(self.texts[label]) == _unwrapped(line)] or same
        if len(same) == 1 and not any(whole == label.casefold() for label in self.texts):
            return _Claim(start, end, same[0], _Strength.FIRM)
        lead = _LINE_LEAD.match(self.text, start, end)
        index = self.at.get(lead.end(), -1) if lead else -1
        if index < 0 or index in denied or index in self.restated:
            return None
        mention = self.mentions[index]
        ends = [mention.end]
        if (own := self._own(mention)) is not None:
            ends.append(own)
        if any(_LINE_TRAIL.match(self.text, stop) for stop in ends):
            return self._claim(index, start, _Strength.FIRM) if mention.labels else None
        return None


def _past(pattern: re.Pattern[str], text: str, start: int = 0) -> int:
    """The place after what a pattern matches at ``start``; that place itself where it does not match."""
    match = pattern.match(text, start)
    return match.end() if match else start


def _union(mentions: list[_Mention]) -> _Mention:
    labels = frozenset[str]().union(*(m.labels for m in mentions))
    return _Mention(mentions[0].start, mentions[-1].end, labels)


def _resolve(text: str, claims: list[_Claim]) -> str | None:
    """What the strongest claims agree on, or what the last of them corrects the others to."""
    retracted = max((m.end() for m in _RETRACTION.finditer(text)), default=0)
    if claims and claims[0].end < retracted:
        claims = [c for c in claims if c.end > retracted]
    if not claims:
        return None
    top = max(c.strength for c in claims)
    claims = [c for c in claims if c.strength == top]
    last = claims[-1]
    others = [c for c in claims if c.label != last.label]
    if not others:
        return last.label
    gap = text[others[-1].end : last.end]
    return last.label if _CORRECTION.search(gap) and not last.also else None


_HEAD, _TAIL = 2_000, 14_000


def _ends_of(text: str) -> str:
    """A text, or the first and last characters of a very long one."""
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"


def choice(text: str, choices: Mapping[str, str]) -> str | None:
    """The label of the choice that a model's text settles on, as a careful person reads it, or None.

    Reads Chinese and English, in linear time. Reasoning in ``<think>`` blocks is left out; of what is left
    the first 2,000 and the last 14,000 characters are read.
    """
    choices = {label: words for label, words in choices.items() if label}
    if not choices:
        return None
    said = unicodedata.normalize("NFKC", _ends_of(split_reasoning(text)[0]))
    said = _ends_of(_clean(_ROLE_MARK.sub("", split_reasoning(said)[0])))
    if (label := _labels(tuple(choices))[1].get(_unwrapped(said))) is not None:
        return label
    # A base model goes on to write the next question: what stands before it is the answer.
    if turn := _NEXT_TURN.search(said):
        before = said[: turn.start()].strip()
        answer = _resolve(before, _Reader(before, choices).claims())
        if answer is not None:
            return answer
    return _resolve(said, _Reader(said, choices).claims())


# --- OpenCompass' rules -----------------------------------------------------------------------------


def first_capital(text: str, choices: Mapping[str, str]) -> str | None:
    """The first upper-case character, if it is a label: OpenCompass' ``first_capital_postprocess``.

    Source: opencompass 0.5.4, ``opencompass/utils/text_postprocessors.py`` (Apache-2.0).
    """
    first = next((character for character in text if character.isupper()), None)
    return first if first in choices else None


# In order; [] stands for the options' class. Alternatives without a group eat what cannot match any
# more (the originals look again from every start, in quadratic time).
_OPTION_RULES = (
    r"答案是?\s*([])",
    r"答案是?\s*：\s*([])",
    r"答案是?\s*:\s*([])",
    r"答案选项应?该?是\s*([])",
    r"答案选项应?该?为\s*([])",
    r"答案应该?是\s*([])",
    r"答案应该?选\s*([])",
    r"答案选项为?\s*：\s*([])",
    r"答案选项为?\s+\(?\*?\*?([])",
    r"答案选项是?\s*:\s*([])",
    r"答案为\s*([])",
    r"答案选\s*([])",
    r"选择?\s*([])",
    # One rule, as published: two that a missing comma made one.
    r"故选?\s*([])只有选?项?\s?([])\s?是?对",
    r"只有选?项?\s?([])\s?是?错",
    r"只有选?项?\s?([])\s?不?正确",
    r"只有选?项?\s?([])\s?错误",
    r"说法不?对选?项?的?是\s?([])",
    r"说法不?正确选?项?的?是\s?([])",
    r"说法错误选?项?的?是\s?([])",
    r"([])\s?是正确的",
    r"([])\s?是正确答案",
    r"选项\s?([])\s?正确",
    r"所以答\s?([])",
    r"所以\s?([][.。$]?$)",
    r"所有\s?([][.。$]?$)",
    r"[\s，：:,]([])[。，,\.]?$",
    r"[\s，,：:][故即]([])[。\.]?$",
    r"[\s，,：:]因此([])[。\.]?$",
    r"[是为。]\s?([])[。\.]?$",
    r"因此\s?([])[。\.]?$",
    r"显然\s?([])[。\.]?$",
    r"答案是\s?(?:(\S+)(?:。|$)|\S+)",
    r"答案应该是\s?(?:(\S+)(?:。|$)|\S+)",
    r"答案为\s?(?:(\S+)(?:。|$)|\S+)",
    r"(?i:ANSWER\s*:\s*([]))",
    r"[Tt]he answer is:?\s+\(?([])",
    r"[Tt]he answer is:?\s+\(?\*?\*?([])",
    r"[Tt]he answer is option:?\s+\(?([])",
    r"[Tt]he correct answer is:?\s+\(?([])",
    r"[Tt]he correct answer is option:?\s+\(?([])",
    r"[Tt]he correct answer is:?(?:.*?boxed\{([])\}|.*)",
    r"[Tt]he correct option is:?(?:.*?boxed\{([])\}|.*)",
    r"[Tt]he correct answer option is:?(?:.*?boxed\{([])\}|.*)",
    r"[Tt]he answer to the question is:?\s+\(?([])",
    r"^选项\s?([])",
    r"^([])\s?选?项",
    r"(\s|^)[][\s。，,：:\.$]",
    r"1.\s?(.*?)$",
    r"1.\s?([])[.。$]?$",
    r"([]):",
    r"([])",
)


@lru_cache(maxsize=64)
def _option_rules(options: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(rule.replace("[]", f"[{re.escape(options)}]"), re.S) for rule in _OPTION_RULES)


def first_option(text: str, choices: Mapping[str, str]) -> str | None:
    """What the first fitting rule reads: OpenCompass' ``first_option_postprocess`` with its cushion rules.

    The options are the labels of one character, in order. Source: opencompass 0.5.4,
    ``opencompass/utils/text_postprocessors.py`` (Apache-2.0), its list of rules.
    """
    options = "".join(label for label in choices if len(label) == 1)
    if not options:
        return None
    text = text.strip()
    for rule in _option_rules(options):
        match = next((m for m in rule.finditer(text) if m.lastindex), None)
        if match is None:
            continue
        read = match[1] or match[0]
        for option in options:
            if option in read:
                return option
    return None


EXTRACTORS: Mapping[str, Extractor] = {
    "choice": choice,
    "first_capital": first_capital,
    "first_option": first_option,
}

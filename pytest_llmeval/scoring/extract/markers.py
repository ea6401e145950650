"""Phrases before an answer: ``the answer is``, ``所以选``, ``Antwort:``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from pytest_llmeval.scoring.extract import languages
from pytest_llmeval.scoring.extract.phrases import Phrases

OPEN = r"[\s\"'“”‘’「『《【】\[\](){}<>:=,→~-]"
ZH_FILL = (
    rf"(?:{OPEN}|应该|应当|应|该|就|只能|只|肯定|显然|明显|确定|必然|一定|当然|还|很|可能|也许|或许"
    rf"|大概|似乎"
    r"|好像|是|为|即|乃|选择|选项|选|项|一项|字母|如下|正确|最佳|最合适|最|的|我|认为|觉得|猜测|猜|会|要"
    r"|了|option\b)*+"
)
EN_FILL = (
    rf"(?:{OPEN}|(?:is|are|be|was|would|should|must|will|could|may|might|has|to|the|therefore|thus|then"
    rf"|hence"
    r"|clearly|definitely|certainly|obviously|indeed|actually|simply|most|likely|probably|possibly"
    r"|correct|right"
    r"|best|options?|choices?|answers?|letters?|number|that's|that|it's|it|only|with|selected|given|by|below"
    r"|above|as|follows)\b)*+"
)
OTHER_FILL = rf"(?:{OPEN}|{languages.FILL}|—)*+"


class Strength(IntEnum):
    """How definite a claim is; only the strongest claims of a text count.

    ``EXPLICIT`` claims state the answer of the whole text (``the answer is B``): the last of them counts.
    """

    TENTATIVE = 1
    LEAD = 2
    STATED = 3
    FIRM = 4
    EXPLICIT = 5


#: more than any text has that a person would write
_MAX_MATCHES = 100


@dataclass(frozen=True, slots=True)
class Marker:
    """Words before an answer. With ``ends`` the clause must end after the label."""

    name: str
    phrases: Phrases
    strength: Strength = Strength.FIRM
    ends: bool = False

    def matches(self, text: str, folded: str) -> list[re.Match[str]]:
        """The last matches in a text, whose lower-case form is ``folded``."""
        return [*self.phrases.find(text, folded)][-_MAX_MATCHES:]


def _marker(
    name: str, starts: Sequence[str], pattern: str, fill: str, *, explicit: bool = False, ends: bool = False
) -> Marker:
    strength = Strength.EXPLICIT if explicit else Strength.FIRM
    phrases = Phrases(re.compile(f"(?:{pattern}){fill}", re.I), tuple(starts))
    return Marker(name, phrases, strength, ends)


MARKERS = (
    _marker("boxed", ("\\boxed", "\\fboxed"), r"\\f?boxed ?(?=\{)", EN_FILL, explicit=True),
    _marker("tag", ("<",), r"<(?:final_?)?(?:answer|ans|choice|option|答案|选项)>", EN_FILL, explicit=True),
    _marker(
        "json",
        ("'", '"'),
        r"[\"'](?:(?:(?:final|correct|right|selected|chosen)[ _]?)?(?:answer|choice|option)"
        r"|answers|(?:final|correct|right|selected|chosen)(?:[ _]?(?:answers|choices|options))?"
        r"|选项|(?:正确|最终)?(?:答案|选项))[\"'] ?:",
        EN_FILL,
        explicit=True,
    ),
    _marker(
        "final zh",
        ("最终", "最后"),
        r"(?:最终|最后)的?(?:正确)?(?:答案|选择|结论|选)",
        ZH_FILL,
        explicit=True,
    ),
    _marker("final en", ("final",), r"\bfinal (?:answer|choice|option)\b", EN_FILL, explicit=True),
    _marker("answer zh", ("答",), r"答案|(?<![回解问作])答 ?[:,]", ZH_FILL, explicit=True),
    _marker("choose zh", ("选",), r"(?<![候备误错挑])选(?!项|手|举|修)(?:择(?!题|性))?", ZH_FILL),
    _marker(
        "option is zh",
        ("选项", "正确"),
        r"(?<![A-Za-z0-9])(?<!错误)(?<!其[他它余])选项(?:应该|应当|应)?(?:是|为|:)|正确的?(?:选项|一项)",
        ZH_FILL,
    ),
    _marker(
        "the right one zh",
        ("的", "不", "正确", "错误", "恰当", "合适", "合理", "准确", "有误", "符合题意", "属于", "对", "错"),
        r"的(?:一项|选项|说法|表述|叙述|做法|观点|陈述)?(?:应该|应当|应)?[是为]|不?(?:正确|错误|不当"
        r"|恰当|合适|合理|准确|有误|符合题意|属于|不符|对|错)的"
        r"(?:一项|选项|说法|表述|叙述|做法|观点|陈述)?(?:应该|应当|应)?(?:是|为|有|:)",
        ZH_FILL,
    ),
    _marker(
        "should be zh",
        ("应", "而", "其实", "实际上", "只能", "我想", "我猜", "认为", "觉得", "猜"),
        r"(?:应该|应当|应|而|其实|实际上|只能|我想|认为|觉得|猜测?)(?:就?是|为)|我猜",
        ZH_FILL,
    ),
    _marker(
        "therefore zh",
        ("所以", "因", "故", "可", "意", "此", "得出", "显然", "只剩", "剩", "综上", "结论", "是", "就是"),
        r"所以|因此|因而|故而?|可[知见得]|[意此]得|得出|显然|只剩下?|剩下的?(?:只有|就是)?|综上(?:所述)?"
        r"|结论(?=是|为|:)|(?<=[\n,。])(?:就?是)",
        ZH_FILL,
        ends=True,
    ),
    _marker(
        "answer en",
        ("answer",),
        r"\banswers?\b(?: (?:to|for|of|here)\b[^.:\n]{0,80}? (?:is|be)\b)?",
        EN_FILL,
        explicit=True,
    ),
    _marker(
        "short answer en",
        ("a:", "a.", "a :", "a .", "ans"),
        r"(?<![^\n])(?:A|Ans) ?[:.](?= ?\(?[A-Za-z0-9]\)?\.?(?!\S))",
        EN_FILL,
        explicit=True,
    ),
    _marker(
        "choose en",
        ("choos", "chose", "select", "pick", "go", "opt", "settl", "i ", "i'"),
        r"\b(?:choose|choosing|chose|select|selecting|pick|picking|go(?:ing)? with|opt(?:ing)? for"
        r"|settl(?:e|ing) on)\b|\bi(?:'ll|'d| will| would)? take\b",
        EN_FILL,
    ),
    _marker(
        "the right one en",
        ("correct", "right", "best", "true", "accurate", "appropriate", "false", "incorrect"),
        r"\b(?:correct|right|best|true|accurate|appropriate|false|incorrect(?! \w+ ?:))"
        r" (?:option|choice|one|statement|letter|response|alternative|selection)s? ?(?:is|are|would be"
        r"|must be|:|=)",
        EN_FILL,
    ),
    _marker(
        "heading en",
        ("correct", "right", "best", "selected", "chosen", "my", "option", "choice", "selection"),
        r"\b(?:correct|right|best|selected|chosen|my|option|choice|selection)s?"
        r"(?: (?:option|choice|answer|selection|statement)s?)? ?[:=]",
        EN_FILL,
    ),
    _marker(
        "line heading en",
        ("final", "response", "output", "result", "verdict", "letter", "pick", "decision", "prediction"),
        r"(?<![^\n])(?:final|response|output|result|verdict|letter|pick|decision|prediction) ?[:=]",
        EN_FILL,
    ),
    _marker(
        "surely en",
        ("clearly", "obviously", "definitely", "certainly", "based on"),
        r"\b(?:clearly|obviously|definitely|certainly|based on [^,.\n]{1,40},)(?=,? \(?[A-Za-z0-9]\b)",
        EN_FILL,
        ends=True,
    ),
    _marker(
        "therefore en",
        ("so", "therefore", "thus", "hence", "consequently", "in ", "but"),
        r"\b(?:so|therefore|thus|hence|consequently|in (?:conclusion|summary|short))\b|(?<=[,;] )but\b",
        EN_FILL,
        ends=True,
    ),
    _marker(
        "it is en",
        ("it", "that", "could", "might", "may", "i ", "i'", "perhaps", "probably"),
        r"\b(?:it|that)(?:'s| is| must be| should be| has to be| would be| might be| could be)\b"
        r"|\b(?:could|might|may) (?:also|equally|just as well|as well) be\b"
        r"|\bi(?:'d|'ll| would| will)? (?:say|guess|think|believe)\b|\b(?:maybe|perhaps|probably)\b",
        EN_FILL,
        ends=True,
    ),
    _marker(
        "correction zh",
        ("更正", "修正", "纠正", "订正", "改"),
        r"(?:更正|修正|纠正|订正|改[为选成正])(?:后?的?答案)?(?=[为成是选:(A-Za-z]| ?[:A-Z])",
        ZH_FILL,
        explicit=True,
    ),
    _marker("answer other", languages.ANSWER_STARTS, languages.ANSWER, OTHER_FILL, explicit=True),
    _marker(
        "the right one other",
        languages.RIGHT_STARTS,
        rf"{languages.RIGHT}(?=(?:\s|{languages.OPTION})*+{languages.IS})",
        OTHER_FILL,
    ),
    _marker(
        "it is other",
        ("c'est", "das ist", "es ist", "es la", "è la", "é a", "это"),
        r"\bc'est\b|\bdas ist\b|\bes ist\b|\bes la\b|\bè la\b|\bé a\b|\bэто\b",
        OTHER_FILL,
        ends=True,
    ),
    _marker(
        "maybe zh",
        ("可能是", "也许是", "或许是", "大概是", "似乎是", "好像是"),
        r"可能是|也许是|或许是|大概是|似乎是|好像是",
        ZH_FILL,
        ends=True,
    ),
    _marker(
        "guess zh",
        ("更", "比", "较", "倾向", "蒙", "猜"),
        r"[更比]?较?倾向于?|[蒙猜](?:一?个)?",
        ZH_FILL,
        ends=True,
    ),
    _marker("lean en", ("lean",), r"\blean(?:s|ing)? (?:more )?towards?\b", EN_FILL, ends=True),
    _marker(
        "left en",
        ("leaves", "leaving", "left with", "only remaining", "what remains is"),
        r"\b(?:(?:leaves|leaving)(?: (?:us|me|you))?(?: with)?|left with|only remaining|what remains is)\b",
        EN_FILL,
        ends=True,
    ),
    _marker(
        "is option en",
        ("is ", "matches", "correspond", "equals", "point", "indicate", "suggest", "support"),
        r"\b(?:is|matches|corresponds? to|equals|points? to|indicates?|suggests?|supports?)"
        r" (?:the )?(?:option|choice)\b",
        EN_FILL,
        ends=True,
    ),
)
EXPLICIT_MARKERS = tuple(marker for marker in MARKERS if marker.strength == Strength.EXPLICIT)

"""Words and signs around choices, other than the phrases of ``markers``: denials, lists, ends of clauses."""

from __future__ import annotations

import re

from pytest_llmeval.scoring.extract import languages
from pytest_llmeval.scoring.extract.markers import Strength
from pytest_llmeval.scoring.extract.phrases import Phrases

# between marker and label; without one the label must end its clause, unlike in "答案A的意思是"
COPULA = re.compile(
    r"[是为选:=即\n{>—]|应|\b(?:is|be|are)\b|'s\b|(?:choos|chose|select|pick|with|for|on)"
    rf"|{languages.IS}|- $",
    re.I,
)

NOT_BEFORE = Phrases(
    re.compile(
        r"(?:不是|并非|绝非|不能是|不可能是|不会是|不应该?[是选]|不(?:能|可|该|要|会|宜|可能)?选|别选|误选"
        r"|错选|排除|剔除|除去|除了?"
        r"|而非|不为|\bnot|n't(?: be)?|\bcannot be|\brather than|\binstead of|\brul(?:e|es|ed|ing) out"
        r"|\beliminat(?:e|es|ed|ing)"
        r"|\bexclud(?:e|es|ed|ing)|\bexcept(?: for)?|\bother than|\bneither)"
        r"(?:[\s(\"'\[]|掉|了|选择?|选项|答案|(?:the|be|answer|options?|choices?)\b)*+",
        re.I,
    ),
    (
        *("不", "并非", "绝非", "别选", "误选", "错选", "排除", "剔除", "除", "而非"),
        *("not", "n't", "cannot be", "rather than", "instead of", "rul", "eliminat", "exclud", "except"),
        *("other than", "neither"),
    ),
)
ONLY_BEFORE = Phrases(
    re.compile(r"(?:只有|唯有|仅有|\bonly)(?:[\s(\"']|选项|选|答案|(?:option|choice|answer)\b)*+", re.I),
    ("只有", "唯有", "仅有", "only"),
)
SUPPOSED = re.compile(
    r"同学|有人|的人|多人|老师|考生|学生|\b(?:some|many|people|students|you (?:might|may|could))\b|如果"
    r"|假如|假设|假定|要是|倘若|若|\b(?:if(?! i (?:had|have|must))|suppose|assum\w+|whether|between)\b",
    re.I,
)
THEN = re.compile(r"那么|则|\bthen\b", re.I)
TENTATIVE = re.compile(
    r"可能|也许|或许|大概|似乎|好像|看起来|乍一?看|初步|猜|\b(?:maybe|perhaps|might|could|may|possibly"
    r"|probably|likely|guess"
    r"|seems?|looks like|at first|initially)\b",
    re.I,
)

SUBJECT = (
    r"[ )\]}\"'”’】」』》]*+(?:[两二三四五] ?个?)?+(?:选项|项|答案|(?:option|choice|answer)\b)?+ ?"
    r"(?:的?(?:说法|表述|描述|观点|内容|叙述|做法|解释|陈述|结论|判断))?+"
)
ADVERBS = (
    r"(?:[ (]|都|均|皆|全|也|则|才|就|是|显然|明显|完全|最|更|为|无疑|毫无疑问|本身|肯定|确实|同样"
    r"|(?:is|are|was|were|be|being|would|should|must|seems?|appears?|looks?|clearly"
    r"|obviously|indeed|also|both|all|the|definitely|therefore|thus|most|only|likely|probably"
    r"|actually|completely|entirely|absolutely|undoubtedly)(?![a-z]))*+"
)
DENIAL = (
    r"错|×|✗|✘|❌|❎|[不](?!仅|但|妨|过|难|会错)|有误|无关|没(?!错|问题)|无法|未(?!必不)|并[不非]|非"
    r"|排除|与题[意干]不"
    r"|(?:is|are|was|were|do|does|can|could|should|must)n't\b|cannot\b|(?:does |do |should |must )?not\b"
    r"|incorrect|wrong|false|untrue|(?:can be |should be |must be )?(?:ruled out|eliminated|excluded)"
    rf"|unrelated|irrelevant|(?:{languages.IS} ?)?{languages.WRONG}"
)
DENIED = re.compile(f"{SUBJECT}{ADVERBS}(?:{DENIAL})", re.I)
DENIED_LIST = re.compile(f"[两三] ?(?:个|项)|{SUBJECT}{ADVERBS}(?:{DENIAL})", re.I)
DENIED_ITEM = re.compile(f"{SUBJECT} ?[.:、)|=-] ?{ADVERBS}(?:{DENIAL})", re.I)

DENIED_TEXT = re.compile(f"[ )\"'”’」』]*[:(|=—–-]* ?{ADVERBS}(?:{DENIAL})", re.I)

RIGHT = (
    r"(?:正确(?!的[^\s。.,;!)])|合适|恰当|准确|贴切|适合|符合(?=[\s。.,;!)]|$)|没错|成立"
    r"|对的?(?=[\s。.,;!)]|$|[A-Z][错对不])|(?:correct|right|true|accurate)\b"
    r"|(?:fits|suits|matches)(?= best| the (?:description|question|definition)|[.,!\n]|$))"
)
STATEMENTS = (
    (
        "is the answer",
        re.compile(
            f"{SUBJECT},?{ADVERBS}(?:(?:正确|最佳|标准|唯一|最合适|合适)的?(?:答案|选项|选择|一项)"
            f"|答案|当选|符合题意"
            r"|(?:correct |right |best |better |only |appropriate |accurate )+(?:answer|option|choice|one"
            r"|response)s?\b|(?<=only )(?:option|choice|one|response)\b|answers?\b"
            r"|best\b)",
            re.I,
        ),
        Strength.FIRM,
    ),
    (
        "is right other",
        re.compile(rf"{SUBJECT}[ ,]*+(?:{languages.IS} ?)*+{languages.RIGHT}", re.I),
        Strength.STATED,
    ),
    ("is confirmed", re.compile(r"[)\"']*\? ?(?:yes|correct|right|true)\b", re.I), Strength.STATED),
    ("is right", re.compile(f"{SUBJECT} ?[.:、)|=—–-]? ?,?{ADVERBS}{RIGHT}", re.I), Strength.STATED),
)
# later in the same sentence, before any other label
IN_QUESTION_SENSE = re.compile(r"符合题[意目干设]|符合(?:本题)?要求|当选")
NOT_NEAR = re.compile(r"[不未没非][^,。;\n]{0,3}$")
TICK = re.compile(
    r"[✅✓✔☑]|√(?![\w(\\{])"
    r"|(?:^|[,;:.—-]) ?(?:so |thus |therefore )?(?:yes|correct|right|true)(?=[.!]?(?:\n|$))",
    re.I,
)
RIGHT_LATER = re.compile(
    r"(?<![不太])(?:正确|[,:;—-] ?对|\bis (?:correct|right|true))(?=的?(?:[\s。.,;!)]|$))", re.I
)
ALSO = re.compile(r"也|同样|\b(?:also|too|equally)\b", re.I)

CORRECTION = re.compile(
    r"不对|不,|等等|等一下|且慢|但|然而|不过|其实|实际上|更正|纠正|修正|改[为选]|重新|再[想看]|抱歉|仔细"
    r"|错了|而是|最终|综上|倾向"
    r"|\b(?:wait|actually|however|but|sorry|correction|on second thought|no[,.]|hmm|rather|final"
    r"|in conclusion|to sum up)",
    re.I,
)
#: words at the beginning of a sentence that take everything before back
RETRACTION = Phrases(
    re.compile(
        r"(?:(?<![^\n。.!?…])|(?<=[\n。.!?…] ))(?:(?:哦|噢|嗯|啊|呃)[,…. ]*)?"
        r"(?:等等|等一下|不对|且慢|我错了|(?:oh |hmm,? |but )?wait\b|(?:no|hmm),? wait\b)"
        r"(?=[\s,。.!…:—-]|$)",
        re.I,
    ),
    (
        *("哦", "噢", "嗯", "啊", "呃", "等等", "等一下", "不对", "且慢", "我错了"),
        *("wait", "oh wait", "hmm", "but wait", "no wait", "no, wait"),
    ),
)
# between two statements that together leave the answer open
ALTERNATIVE = re.compile(r"[\s)\]}$.,]*(?:or|and|或者?|和|以及|/|、)[\s(\[{$\\]*", re.I)
# right after a statement that the text takes back
TAKEN_BACK = re.compile(
    r"[\s)\]}。.,;!?…—-]*(?:不对|不,|错了|等等|等一下|且慢|(?:oh |hmm,? |but |no,? )?wait\b|no[,.] "
    r"|scratch that"
    r"|(?:that(?:'s| is)|this is) (?:wrong|incorrect|not right)|correction\b)",
    re.I,
)
#: "and" and "or" between two labels in other languages
AND = r"und|et|y|e|ed|en|och|og|ja|i|és|și|ve|dan|và|na|at|и|і|та|και|و|ו|और|এবং|และ|と|및|와|과"
OR = r"oder|ou|o|u|of|eller|lub|veya|atau|hoặc|или|або|ή|أو|या|หรือ|または|か|또는"
LIST_JOINT = re.compile(
    r"[\s)\]{}\"'”’]*(?:选?项)?(?:、|和|与|及|以及|或者?|还是|跟|/|&|and|or|nor|plus|\+"
    rf"|{AND}|{OR})[\s(\[{{}}\"'“‘]*(?:选项|项"
    r"|options?)? *"
)
LIST_COMMA = re.compile(
    r"[)\]\"'”’]*(?:项|选项)?(?: ?, ?(?:and |or |和|或)?| |(?<=\))(?=\())[(\[\"'“‘]*(?:选项|options?)? *"
)
#: between the mentions of a list of right choices, beside ``LIST_JOINT`` and ``LIST_COMMA``
SET_COMMA = re.compile(r"[)\]\"'”’]*(?: ?[,;、/|] ?|\.)[(\[\"'“‘]*")
#: after a capital letter that another one follows in a list (``A C D``)
SET_GOES_ON = re.compile(r" [A-Z](?= ?[A-Z\n.,;)]| ?$)")
#: before a small letter that goes on with a list of small letters (``b, c``)
SMALL_BEFORE = re.compile(r"(?<![A-Za-z])[a-z]\)?(?: ?[,;、&/] ?(?:and )?| and |[和与] ?)\(?$")
#: between explicit statements that together name the right choices: ``\\boxed{A}, \\boxed{C}``
SET_JOINT = re.compile(r"[\s)\]}$.,;、&+]*(?:and|和|与|及|以及)?[\s(\[{$\\]*", re.I)
#: before a choice in a list that ticks or crosses choices
TICKED = re.compile(r"(?:\[[xX]\]|[☑✅✔✓])[\s(\[]*")
CROSSED = re.compile(r"(?:\[ ?\]|[☐❌❎✗✘×])[\s(\[]*")
#: between the mentions of a list that leaves open which of them is meant
EITHER = re.compile(rf"(?<!\w)(?:or|{OR})(?!\w)|或|还是")
# "f(A", "2 + B", "x = C", "2 A": a letter after an operator, or a unit after a number
OPERAND_BEFORE = re.compile(
    r"(?:[0-9)\]}]|(?<![A-Za-z])[A-Za-z]) ?(?:[+*/×·^]|-(?! )) ?$"
    r"|(?<![A-Za-z])[A-Za-z](?: ?[=<>≤≥≠] ?|\()$|[0-9] $"
)
#: the characters, other than a blank, with which ``OPERAND_BEFORE`` ends
OPERAND_ENDS = frozenset("+*/×·^-=<>≤≥≠(0123456789")
# "A(x)", "E[W]", "B^2", "C'", "A + B": a letter before an operator or an index
FORMULA_AFTER = re.compile(
    r"[({\[^_=](?![^\x00-\x7f])| ?[+×·] ?(?:\d|[A-Za-z](?![A-Za-z]))| ?- ?[A-Za-z](?![A-Za-z])|/[A-Za-z0-9]"
)
# "A = 5", "A > B": a quantity in the question, not a choice
IN_FORMULA = re.compile(r"[^\S\n]*[=≠≈≤≥<>^∈⊂⊆∪∩⊥∥][^\S\n]*[-(]?(?:\d|\\|[A-Z]{2,3}\b|[A-Za-z](?![A-Za-z]))")
LED = re.compile(r"(?:是|为|选|答案|项|[:=]|\b(?:is|answer|option|choice)) ?\(?$", re.I)
PLURAL = re.compile(rf"{SUBJECT} ?(?:都|均|皆|全|也都|are\b|were\b|all\b|both\b)", re.I)

ENDS = re.compile(
    rf"[^\S\n]*(?:选项|项|{languages.OPTION}|{languages.IS})?[^\S\n]*[了吧啊呢哦啦]?(?:$|[^\w\s]|\n)"
)
ENDS_PLAINLY = re.compile(r"[^\S\n]*(?:$|[\n。.!,;)])")
# scripts whose words follow a label without a blank
_ATTACHED = r"[\u0590-\u06ff\u0e00-\u0e7f\u3040-\u30ff\uac00-\ud7af]"
STANDS = re.compile(
    rf"$|\W|{_ATTACHED}|[项选是为因由这吧呢哦啦啊了才对正即所而但其最更不没错当符说也就都均和与或及均明完]"
)
WORD_STANDS = re.compile(
    rf"(?!\.\d)[^\S\n]*(?:$|[^\w\s]|\n|{_ATTACHED}"
    r"|[项选是为因由这吧呢哦啦啊了才对正即所而但其最更不没错当符说也就都均和与或及均明完]"
    r"|(?:because|since|as|is|isn't|are|was|and|or|nor|but|so|which|due|given|rather|instead|over|not"
    r"|would|should|must|seems|has|does|here)\b"
    rf"|(?:{AND}|{OR})[\s(*]++(?-i:[A-Z])(?![\w'’-]))",
    re.I,
)
NAMED_OPTION = re.compile(
    r"(?:选项?|答案|option|choice|answer|boxed\{)(?: ?[:=]| is\b|[是为]){0,2}[\s(\"']*$", re.I
)
LINES = re.compile(r"[^\n]+")
BETWEEN_LABELS = re.compile(r"[\s,、;.()\[\]/|&]*")
NOT_WORD = re.compile(r"[^\w\n]*")
CLAUSE_END = re.compile(r"[,。.!?;\n]")

LINE_LEAD = re.compile(
    r"[^\w\n]*(?:[嗯哦呃啊那么就]{1,3}[^\w\n]*)?(?:第? ?\d{1,3} ?(?:题|[.、):]) ?)?(?:(?:正确"
    r"|我的?)?(?:选项|选择|选|答案|答|option|choice|answer))?[^\w\n]*",
    re.I,
)
LINE_TRAIL = re.compile(r"[^\w\n?]*(?:选项|项|吧|哦|啦|。)?[^\w\n?]*(?:\n|$)")
LEAD_LOOSE = re.compile(
    r"[)\]】]?(?:选?项)? ?(?:[.、),。-] ?(?=\S)|\n|,? ?(?:because|since|as|因为|由于)"
    r"| \([^()\n]{0,40}\)[ .。]*(?:\n|$))",
    re.I,
)
ITEM = re.compile(r"[)\]】]? ?(?:选?项)? ?[.、:)|=]|$")
JOINTS = " .、:(),\"“「'—>|=-"
OWN_JOINT = re.compile(rf"[)\]】}}]?(?:选?项)?[{JOINTS}]*")
TO_NEXT = re.compile(r"(?:[ (\"'\[]|是|为|选|选项|(?:the|option|choice|answer)\b)*+", re.I)
TEXT_ENDS = re.compile(r"$|[^\w]")
ARTICLE = re.compile(r"(?:an?|the) ", re.I)
INSTEAD = re.compile(
    r"[ ,;.]*(?:but(?: rather)?|而(?:应该?)?[是选为]|应该?[是选为]|(?:所以|so)?,? ?it(?:'s| is))(?:[ (]"
    r"|选项|选|(?:option|choice)\b)*+",
    re.I,
)
NOT_THE_NEXT = re.compile(
    r"[ ,)]*(?:而非|而?不是|rather than|instead of|(?:and )?not) ?(?:选项|(?:option|choice) )?[ (]*", re.I
)
NOT_TAIL = re.compile(
    r"(?:不是|并非|不能|不可能|不应该?|不会|不|没有?|not|n't|别|勿|错误的?|incorrect|wrong) ?$", re.I
)
ONLY_AFTER = re.compile(
    r"[ )]*(?:选?项)?(?:的?(?:说法|表述|描述|观点|叙述|做法))?[ 是最才]*(?:对|错|不?正确|不|符合|属于"
    r"|成立|满足|能|可以|(?<=是)|$|[。.,;!\n]|is\b)"
)
#: "1. The answer is B": a statement in a list of answers to several questions
NUMBERED = re.compile(
    r"[^\w\n]*(?:(?:question|q|题|第) ?)?\(?\d{1,2}(?: ?题)?[.):、] ?(?:the )?(?:correct |final )?", re.I
)
ORDINALS_EN = (
    *("first", "second", "third", "fourth", "fifth"),
    *("sixth", "seventh", "eighth", "ninth", "tenth"),
)
ORDINALS_ZH = "一二三四五六七八九十"
ORDINAL = Phrases(
    re.compile(
        rf"(?<=\bthe )(?P<en>{'|'.join(ORDINALS_EN)}|last) (?:answer )?"
        r"(?:option|choice|alternative|one(?=[.!]?(?:\n|$)))\b"
        rf"|第(?P<zh>[{ORDINALS_ZH}])(?:个选项|个选择|选?项)|最后一(?:个选项|个选择|选?项)",
        re.I,
    ),
    (*ORDINALS_EN, "last", "第", "最后一"),
)
REFUSAL = re.compile(
    r"\b(?:can(?:'t|not)|unable|don't know|not sure|unclear|uncertain|insufficient|not enough"
    r"|impossible to)\b"
    r"|无法|不能|不知道|不确定|不清楚|抱歉",
    re.I,
)
SENTENCE_END = re.compile(r"[。;\n]|\.(?= |$)")
LINE_OPEN = re.compile(
    r"[^\w]*(?:第? ?\d{1,3} ?(?:题|[.、):]) ?)?(?:(?:选项|选|option|choice) ?)?[^\w]*", re.I
)
TEXT_AFFIRMED = re.compile(rf"[)\"'”’」』]*(?:$|[,。.;:!\n(—]| ?{ADVERBS}(?:{RIGHT}|符合))", re.I)
TEXT_LEAD_ENDS = re.compile(r"$|[,。.;:!\n(—]|因")
TEXT_LEAD = re.compile(r"(?:我(?:认为|觉得|想)|应该|应当|应|就|是|选|it is|it's|the)*", re.I)

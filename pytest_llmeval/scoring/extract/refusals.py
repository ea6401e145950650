"""Texts that give no answer: the model cannot tell, or asks for more."""

from __future__ import annotations

import re

_SOLVE = (
    r"determin\w*|solv\w*|answer\w*|calculat\w*|comput\w*|find|found|tell|know\w*|say|said|help|assist|provid\w*|giv\w*"
    r"|deduc\w*|infer\w*|establish\w*|work\sout|figure\sout|be\scertain|be\ssure|comply|complete|respond|conclude"
    r"|reach|see|read|open|access|view"
)
_REFUSAL = re.compile(
    rf"\b(?:can(?:no|')t|can\snot|could(?:n't|\snot)|unable\sto|impossible\sto|not\s(?:able|possible)\sto|no\sway\sto)\s"
    rf"(?:\w{{1,12}}\s){{0,2}}?(?:{_SOLVE})\b"
    r"|\b(?:not|n't)\s(?:\w{1,12}\s){0,2}?(?:enough|sufficient)\s(?:\w{1,12}\s)?(?:info\w*|data|details?|facts?|context)\b"
    r"|\b(?:insufficient|inadequate|missing|incomplete|lack\w*|without)\s(?:\w{1,12}\s){0,2}?(?:info\w*|data|details?|context)\b"
    r"|\b(?:i|we)(?:\s(?:really|simply|just))?\s(?:do\snot|don't)\sknow\b|\bno\sidea\b|\bi(?:'m|\sam)\s(?:not\ssure|unsure)\b"
    r"|\b(?:cannot|can't)\sbe\s(?:\w{1,12}\s)?(?:determined|answered|solved|calculated|computed|found|known|told)\b"
    r"|\b(?:is|are)\s(?:missing|not\s(?:given|provided|specified|stated|known))\b|\b(?:unknown|undetermined|indeterminate)\b"
    r"|\b(?:i|we)(?:'d|\swould)?\s(?:also\s|still\s)?(?:need|require)\s(?:\w{1,12}\s){0,3}(?:values?|info\w*|data|details?|context|facts?)\b"
    r"|\bplease\s(?:give|provide|share|specify|clarify|tell|send|supply)\b"
    r"|\b(?:could|can)\syou\s(?:please\s)?(?:give|provide|share|specify|clarify)\b"
    r"|无法|無法|不能(?:确定|計算|计算|回答|判断|得出|求)|不知道|不清楚|抱歉|对不起|對不起|信息不足|資訊不足|条件不足|條件不足|没有足够|沒有足夠"
    r"|缺少|请提供|請提供"
    r"|わかりません|分かりません|できません|不明|情報が足り|情報不足|申し訳|모르겠|알\s?수\s?없|할\s?수\s?없|죄송|부족"
    r"|\b(?:kann|können)\s[^.\n]{0,60}?nicht\b|\bnicht\s(?:genug|genügend|möglich|bestimm\w*)|\bunmöglich\b|\bweiß\s(?:es\s)?nicht\b"
    r"|\b(?:ne|n')\s?(?:peux|peut|sais|puis)\s[^.\n]{0,12}?pas\b|\bimpossible\sd\w*|\bpas\sassez\sd|\bdésolée?\b"
    r"|\bno\s(?:puedo|se\spuede|es\sposible|hay\s(?:suficiente|bastante)|sé|tengo\ssuficiente)|\blo\ssiento\b"
    r"|\bnão\s(?:posso|é\spossível|há|sei|tenho\sinforma)|\bdesculpe\b"
    r"|\bnon\s(?:posso|è\spossibile|so\b|ho\sabbastanza|ci\ssono\sabbastanza)|\bmi\sdispiace\b"
    r"|не\s(?:могу|можем|знаю|возможно|хватает)|невозможно|недостаточно|извините|к\sсожалению"
    r"|\bnie\s(?:mogę|można|wiem|da\ssię)|\bprzykro\s|\bkan\s[^.\n]{0,40}?niet\b|\bniet\s(?:genoeg|mogelijk)"
    r"|\btidak\s(?:dapat|bisa|tahu|cukup)|\bmaaf\b|\bkhông\s(?:thể|biết|đủ)|\bxin\slỗi\b|\bbilmiyorum\b|\byeterli\s[^.\n]{0,20}?yok"
    r"|لا\s(?:يمكن|أعرف|أستطيع)|غير\sكاف|عذرا|नहीं\s(?:किया|दिया|पता|कर\sसक)|क्षमा|ไม่(?:สามารถ|ทราบ|เพียงพอ)|ขออภัย",
    re.I,
)
_TURNS = re.compile(
    r"\b(?:however|but|assum\w+|suppose|so|therefore|thus|hence)\b|但|不过|假设|假設|所以|因此|=", re.I
)
_OBJECT = re.compile(r"(?:\s(?:the|an?|any|your|this|that|final|exact|correct|right))*\s?")
_SENTENCE_END = re.compile(r"[.!?。！？\n]")
#: a polite end: "if that is wrong, please provide more details"
_CONDITION = re.compile(r"\b(?:if|should|whether|unless|in\scase)\b|如果|若", re.I)
_NEAR = 300


def refuses(text: str) -> bool:
    """Whether a text without an announced answer ends in a refusal to give one."""
    for refusal in _REFUSAL.finditer(text, max(0, len(text) - _NEAR)):
        clause = _SENTENCE_END.split(text[max(0, refusal.start() - 80) : refusal.start()])[-1]
        if not _CONDITION.search(clause) and _TURNS.search(text, refusal.end()) is None:
            return True
    return False


def is_refusal(part: str) -> bool:
    """Whether a short text announced as an answer says that there is none."""
    return _REFUSAL.search(part) is not None


def refuses_before(text: str) -> bool:
    """Whether a text ends in a refusal whose object follows: "I cannot determine the"."""
    last = None
    for last in _REFUSAL.finditer(text):  # noqa: B007
        pass
    return last is not None and _OBJECT.fullmatch(text, last.end()) is not None

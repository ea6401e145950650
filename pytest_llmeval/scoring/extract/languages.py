"""How languages other than Chinese and English state which choice is right.

The nouns for "answer" are those of ``answer_table``. Letters of other scripts, and their order, are those of
``normalize_extracted_answer`` of openai/simple-evals (MIT), ``common.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_llmeval.scoring.extract import answer_table

#: Hebrew, and all scripts behind it, attach words to each other, or write them without blanks
_FIRST_UNSPACED = 0x0590


@dataclass(frozen=True, slots=True)
class Judging:
    """The words of one language about choices: alternatives, as simple regular expressions without groups.

    ``right`` and ``wrong`` are adjectives, ``option`` nouns for option and letter.
    """

    right: str = ""
    wrong: str = ""
    option: str = ""


LANGUAGES: dict[str, Judging] = {
    "de": Judging(
        "richtige?[rns]?|korrekte?[rns]?",
        "falsch\\w{0,7}|nicht richtig",
        "option|buchstabe|antwortmöglichkeit|möglichkeit",
    ),
    "fr": Judging(
        "bonne|bonnes|correcte|correctes|juste|justes|exacte|exactes",
        "fausse|faux|incorrecte?|inexacte?",
        "option|lettre|choix|proposition",
    ),
    "es": Judging(
        "correcta|correcto|correctas|correctos|verdader[ao]s?",
        "incorrecta|incorrecto|fals[ao]",
        "opci[óo]n|letra|alternativa|inciso",
    ),
    "pt": Judging(
        "corret[ao]s?|cert[ao]s?|verdadeir[ao]s?",
        "incorret[ao]|errad[ao]|fals[ao]",
        "op[çc][ãa]o|letra|alternativa",
    ),
    "it": Judging(
        "corrett[aoe]|giust[aoe]|esatt[aoe]",
        "errat[ao]|sbagliat[ao]|fals[ao]",
        "opzione|lettera|alternativa",
    ),
    "nl": Judging("juiste|correcte|goede", "onjuiste?|foute?", "optie|letter|keuze"),
    "sv": Judging("rätt|korrekt|riktig[te]?", "fel|felaktigt?", "alternativ\\w{0,2}|bokstav\\w{0,2}"),
    "da": Judging("rigtigt?e?|korrekte?", "forkerte?|gale?", "mulighed\\w{0,2}|bogstav\\w{0,2}"),
    "fi": Judging("oikea|oikein", "väärin|väärä", "vaihtoehto|kirjain"),
    "pl": Judging(
        "prawidłow[aye]|poprawn[aye]|właściw[aye]",
        "błędn[aye]|niepoprawn[aye]|nieprawidłow[aye]",
        "opcja|litera|wariant",
    ),
    "cs": Judging("správn[áýée]|spravn[áy]", "špatn[áýé]|nesprávn[áýé]", "možnost|možnosť|písmeno"),
    "hu": Judging("helyes|jó", "helytelen|rossz|hibás", "lehetőség|opció|betű"),
    "ro": Judging("corect[ăe]?", "incorect[ăe]?|greșit[ăe]?", "varianta|opțiunea|litera"),
    "sr": Judging("točan|ispravan|točna|tačna", "netočan|netačan", "opcija|slovo"),
    "tr": Judging("doğru|do[ğg]rudur", "yanlış\\w{0,3}", "seçenek|şık|şıkkı|seçeneği|seçeneğidir|şıkkıdır"),
    "id": Judging("benar|tepat|betul", "salah", "pilihan|opsi|huruf"),
    "vi": Judging("đúng|chính xác", "sai|không đúng", "lựa chọn|phương án|chữ"),
    "sw": Judging("sahihi", "si sahihi", "chaguo|herufi"),
    "yo": Judging("", "", ""),
    "tl": Judging("tama|tamang", "mali", "letra|pagpipilian"),
    "ru": Judging(
        "правильн\\w{1,2}|верн\\w{1,2}",
        "неправильн\\w{1,2}|неверн\\w{1,2}|ошибочн\\w{1,2}",
        "вариант|буква|пункт|под буквой",
    ),
    "uk": Judging(
        "правильн\\w{1,2}|вірн\\w{1,2}",
        "неправильн\\w{1,2}|невірн\\w{1,2}",
        "варіант|літера|буква",
    ),
    "bg": Judging("правилен|верен|тачан", "грешен|неправилен", "вариант|буква"),
    "el": Judging("σωστή|ορθή|σωστό", "λάθος|λανθασμένη", "επιλογή|γράμμα"),
    "ar": Judging("الصحيحة?|صحيحة?", "خاطئة?|خطأ", "الخيار|خيار|الحرف|حرف"),
    "fa": Judging("صحیح|درست", "نادرست|غلط", "گزینه[ٔی]?|حرف"),
    "he": Judging("הנכונה|נכונה", "שגויה", "אפשרות|האות"),
    "hi": Judging("सही", "गलत|ग़लत", "विकल्प"),
    "bn": Judging("সঠিক", "ভুল", "বিকল্প"),
    "ta": Judging("சரியான", "தவறான", "விருப்பம்"),
    "te": Judging("సరైన", "తప్పు", "ఎంపిక"),
    "th": Judging("ที่ถูกต้อง|ถูกต้อง|ถูก", "ผิด", "ข้อ|ตัวเลือก"),
    "ja": Judging("正しい|適切な", "誤り|間違い|不適切", "選択肢|选択肢|选项"),
    "ko": Judging("올바른|맞는|옳은|정확한", "틀린|틀렸|잘못된|오답", "선택지|보기|선지"),
}

#: letters of other scripts that stand for A, B, C, D
_LETTERS = {
    **dict(zip("أبجد", "ABCD", strict=True)),
    **dict(zip("অবডঢ", "ABCD", strict=True)),
    **dict(zip("กขคง", "ABCD", strict=True)),
}


#: markers of these languages are in ``markers.py``
OWN_MARKERS = ("en", "zh")


def _of_table(name: str) -> set[str]:
    """The words of a field of ``answer_table``."""
    languages = (entry for code, entry in answer_table.LANGUAGES.items() if code not in OWN_MARKERS)
    return {re.escape(word) for entry in languages for word in getattr(entry, name).split("|") if word}


def _of_judging(name: str) -> set[str]:
    return {word for entry in LANGUAGES.values() for word in getattr(entry, name).split("|") if word}


def _alternatives(words: Iterable[str]) -> str:
    """Words, longest first, grouped by their first letter, so that most are passed over at once."""
    groups: dict[str, list[str]] = {}
    for word in sorted(words, key=len, reverse=True):
        first = word[0] if word[0].isalpha() and word[1:2] not in ("?", "{") else ""
        groups.setdefault(first, []).append(word[len(first) :])
    return "|".join(f"{first}(?:{'|'.join(rests)})" for first, rests in groups.items())


def _fragment(words: set[str]) -> str:
    """An alternative of words; those of alphabets are whole words.

    A capital letter is never a word: it may be a label.
    """
    letters = {word for word in words if len(word) == 1 and ord(word) < _FIRST_UNSPACED}
    whole = {word for word in words - letters if ord(word[0]) < _FIRST_UNSPACED}
    parts = [rf"\b(?:{_alternatives(whole)})(?!\w)", _alternatives(words - letters - whole)]
    if letters:
        parts.append(rf"\b(?-i:{_alternatives(letters)})(?!\w)")
    return f"(?:{'|'.join(parts)})"


def _starts(words: set[str]) -> tuple[str, ...]:
    """Literal beginnings of words, without those that begin with another."""
    starts = {re.split(r"[\[(?]|\\w|.\?", word.replace("\\ ", " "))[0].replace("\\", "") for word in words}
    return tuple(
        start
        for start in sorted(starts)
        if not any(start != other and start.startswith(other) for other in starts)
    )


_ANSWER, _RIGHT = _of_table("answer"), _of_judging("right")
ANSWER = _fragment(_ANSWER)
RIGHT = _fragment(_RIGHT)
WRONG = _fragment(_of_judging("wrong"))
OPTION = _fragment(_of_judging("option"))
IS = _fragment(_of_table("copula"))
FILL = _fragment(_ANSWER | _RIGHT | _of_judging("option") | _of_table("copula") | _of_table("filler"))
ANSWER_STARTS = _starts(_ANSWER)
RIGHT_STARTS = _starts(_RIGHT)

_FOREIGN_LABEL = re.compile(
    rf"(?P<lead>{ANSWER}(?:[\s:：(\[*\"'-]|{FILL}){{0,8}}+)(?P<letter>[{''.join(_LETTERS)}])"
    r"(?![\w\u0900-\u0dff\u0e30-\u0e4e])",
    re.I,
)


def with_latin_labels(text: str) -> str:
    """Replace letters of other scripts that are stated as the answer by A, B, C or D."""
    if not any(letter in text for letter in _LETTERS):
        return text
    return _FOREIGN_LABEL.sub(lambda match: match["lead"] + _LETTERS[match["letter"]], text)

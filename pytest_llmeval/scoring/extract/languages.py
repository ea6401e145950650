"""How languages other than Chinese and English state an answer.

Sources of the nouns: the languages of MMMLU, MGSM and Global-MMLU, and ``MULTILINGUAL_ANSWER_REGEXES`` of
openai/simple-evals (MIT), ``common.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Hebrew, and all scripts behind it, attach words to each other, or write them without blanks
_FIRST_UNSPACED = 0x0590


@dataclass(frozen=True, slots=True)
class Language:
    """The words of one language: alternatives, as simple regular expressions without groups.

    ``answer`` are nouns for answer, ``right`` and ``wrong`` adjectives, ``option`` nouns for option and
    letter, ``is_`` verbs and particles between a noun and the answer, ``fill`` other words there.
    """

    code: str
    answer: str
    right: str = ""
    wrong: str = ""
    option: str = ""
    is_: str = ""
    fill: str = ""

    def words(self, field: str) -> list[str]:
        """The alternatives of a field."""
        return [word for word in getattr(self, field).split("|") if word]


LANGUAGES = (
    Language(
        "de",
        answer="antwort",
        right="richtige?[rns]?|korrekte?[rns]?",
        wrong=r"falsch\w{0,7}|nicht richtig",
        option="option|buchstabe|antwortmöglichkeit|möglichkeit",
        is_="ist|lautet|wäre",
        fill="die|der|das|also|somit",
    ),
    Language(
        "fr",
        answer="r[ée]ponse",
        right="bonne|correcte?|juste|exacte?",
        wrong="fausse|faux|incorrecte?|inexacte?",
        option="option|lettre|choix|proposition",
        is_="est|serait",
        fill="la|le|donc|l'",
    ),
    Language(
        "es",
        answer="respuesta",
        right="correct[ao]|verdader[ao]",
        wrong="incorrect[ao]|fals[ao]",
        option="opci[óo]n|letra|alternativa|inciso",
        is_="es|sería|será",
        fill="la|el|entonces",
    ),
    Language(
        "pt",
        answer="resposta|gabarito",
        right="corret[ao]|cert[ao]|verdadeir[ao]",
        wrong="incorret[ao]|errad[ao]|fals[ao]",
        option="op[çc][ãa]o|letra|alternativa",
        is_="é|seria|será",
        fill="a|o|então|portanto",
    ),
    Language(
        "it",
        answer="risposta",
        right="corrett[ao]|giust[ao]|esatt[ao]",
        wrong="errat[ao]|sbagliat[ao]|fals[ao]",
        option="opzione|lettera|alternativa",
        is_="è|sarebbe",
        fill="la|il|l'|quindi",
    ),
    Language(
        "nl",
        answer="antwoord",
        right="juiste?|correcte?|goede?",
        wrong="onjuiste?|foute?",
        option="optie|letter|keuze",
        is_="is|luidt",
        fill="het|de|dus",
    ),
    Language(
        "sv",
        answer=r"svar\w{0,2}",
        right="rätt|korrekt|riktig[te]?",
        wrong="fel|felaktigt?",
        option=r"alternativ\w{0,2}|bokstav\w{0,2}",
        is_="är|er",
        fill="det|rätta|rigtige|riktige",
    ),
    Language(
        "da",
        answer=r"svar\w{0,2}",
        right="rigtigt?e?|korrekte?",
        wrong="forkerte?|gale?",
        option=r"mulighed\w{0,2}|bogstav\w{0,2}",
        is_="er",
        fill="det",
    ),
    Language(
        "fi",
        answer="vastaus",
        right="oikea|oikein",
        wrong="väärin|väärä",
        option="vaihtoehto|kirjain",
        is_="on",
        fill="siis",
    ),
    Language(
        "pl",
        answer=r"odpowied[źz]\w{0,2}",
        right="prawidłow[aye]|poprawn[aye]|właściw[aye]",
        wrong="błędn[aye]|niepoprawn[aye]|nieprawidłow[aye]",
        option="opcja|litera|wariant",
        is_="to|jest|brzmi",
    ),
    Language(
        "cs",
        answer="odpověď|odpoveď",
        right="správn[áýée]|spravn[áy]",
        wrong="špatn[áýé]|nesprávn[áýé]",
        option="možnost|možnosť|písmeno",
        is_="je|zní",
    ),
    Language(
        "hu",
        answer="válasz",
        right="helyes|jó",
        wrong="helytelen|rossz|hibás",
        option="lehetőség|opció|betű",
        fill="a|az|tehát",
    ),
    Language(
        "ro",
        answer=r"răspuns\w{0,2}|raspuns\w{0,2}",
        right="corect[ăe]?",
        wrong="incorect[ăe]?|greșit[ăe]?",
        option="varianta|opțiunea|litera",
        is_="este|e",
    ),
    Language(
        "hr",
        answer="odgovor",
        right="točan|ispravan|točna|tačna",
        wrong="netočan|netačan",
        option="opcija|slovo",
        is_="je",
    ),
    Language(
        "tr",
        answer="cevap|cevab[ıi]|yanıt|yanıtı",
        right="doğru|do[ğg]rudur",
        wrong=r"yanlış\w{0,3}",
        option="seçenek|şık|şıkkı|seçeneği|seçeneğidir|şıkkıdır",
        fill="olarak",
    ),
    Language(
        "id",
        answer=r"jawaban\w{0,3}|jawapan\w{0,3}|jawab",
        right="benar|tepat|betul",
        wrong="salah",
        option="pilihan|opsi|huruf",
        is_="adalah|ialah|yaitu",
        fill="yang",
    ),
    Language(
        "vi",
        answer="đáp án|câu trả lời|trả lời",
        right="đúng|chính xác",
        wrong="sai|không đúng",
        option="lựa chọn|phương án|chữ",
        is_="là",
        fill="của|cuối cùng",
    ),
    Language(
        "sw",
        answer="jibu|majibu",
        right="sahihi",
        wrong="si sahihi",
        option="chaguo|herufi",
        is_="ni",
        fill="la|lililo",
    ),
    Language("yo", answer="[ìi]dáh[ùu]n", is_="ni|jẹ́", fill="náà"),
    Language(
        "tl",
        answer="sagot|kasagutan",
        right="tama|tamang",
        wrong="mali",
        option="letra|pagpipilian",
        is_="ay",
        fill="ang|na",
    ),
    Language(
        "ru",
        answer="ответ",
        right=r"правильн\w{1,2}|верн\w{1,2}",
        wrong=r"неправильн\w{1,2}|неверн\w{1,2}|ошибочн\w{1,2}",
        option="вариант|буква|пункт|под буквой",
        is_="это|является|будет",
        fill="итак|ответа",
    ),
    Language(
        "uk",
        answer="відповідь",
        right=r"правильн\w{1,2}|вірн\w{1,2}",
        wrong=r"неправильн\w{1,2}|невірн\w{1,2}",
        option="варіант|літера|буква",
        is_="це|є",
    ),
    Language(
        "bg",
        answer="отговор|одговор",
        right="правилен|верен|тачан",
        wrong="грешен|неправилен",
        option="вариант|буква",
        is_="е|је",
        fill="отговорът|ът",
    ),
    Language(
        "el",
        answer="απάντηση",
        right="σωστή|ορθή|σωστό",
        wrong="λάθος|λανθασμένη",
        option="επιλογή|γράμμα",
        is_="είναι",
        fill="η|το",
    ),
    Language(
        "ar",
        answer="الإجابة|الاجابة|الجواب|إجابة|جواب",
        right="الصحيحة?|صحيحة?",
        wrong="خاطئة?|خطأ",
        option="الخيار|خيار|الحرف|حرف",
        is_="هي|هو",
        fill="النهائية?",
    ),
    Language(
        "fa",
        answer="پاسخ|جواب",
        right="صحیح|درست",
        wrong="نادرست|غلط",
        option="گزینه[ٔی]?|حرف",
        is_="است",
        fill="نهایی",
    ),
    Language(
        "he",
        answer="התשובה|תשובה",
        right="הנכונה|נכונה",
        wrong="שגויה",
        option="אפשרות|האות",
        is_="היא",
        fill="הסופית",
    ),
    Language(
        "hi", answer="उत्तर|जवाब", right="सही", wrong="गलत|ग़लत", option="विकल्प", is_="है|होगा", fill="का|अंतिम"
    ),
    Language(
        "bn", answer="উত্তর|উত্তরটি", right="সঠিক", wrong="ভুল", option="বিকল্প", is_="হল|হলো|হচ্ছে", fill="চূড়ান্ত"
    ),
    Language("ta", answer="விடை|பதில்", right="சரியான", wrong="தவறான", option="விருப்பம்"),
    Language("te", answer="సమాధానం|జవాబు", right="సరైన", wrong="తప్పు", option="ఎంపిక"),
    Language(
        "th",
        answer="คำตอบ|ตอบ",
        right="ที่ถูกต้อง|ถูกต้อง|ถูก",
        wrong="ผิด",
        option="ข้อ|ตัวเลือก",
        is_="คือ|เป็น",
        fill="สุดท้าย",
    ),
    Language(
        "ja",
        answer="答え|正解|正答|解答|回答",
        right="正しい|適切な",
        wrong="誤り|間違い|不適切",
        option="選択肢|选択肢|选项",
        is_="は|が|です",
        fill="の|最終|最も",
    ),
    Language(
        "ko",
        answer="정답|답변|답",
        right="올바른|맞는|옳은|정확한",
        wrong="틀린|틀렸|잘못된|오답",
        option="선택지|보기|선지",
        is_="은|는|이|가",
        fill="최종|번",
    ),
)

#: letters of other scripts that stand for A, B, C, D (simple-evals' ``normalize_extracted_answer``)
_LETTERS = {
    **dict(zip("أبجد", "ABCD", strict=True)),
    **dict(zip("অবডঢ", "ABCD", strict=True)),
    **dict(zip("กขคง", "ABCD", strict=True)),
}


def _words(*names: str) -> str:
    """An alternative of the words of all languages; words of alphabets are whole words.

    A capital letter is never a word: it may be a label.
    """
    words = {word for language in LANGUAGES for name in names for word in language.words(name)}
    letters = {word for word in words if len(word) == 1 and ord(word) < _FIRST_UNSPACED}
    whole = {word for word in words - letters if ord(word[0]) < _FIRST_UNSPACED or word[0] in "[\\"}
    first, second, third = (
        "|".join(sorted(part, key=len, reverse=True)) for part in (whole, letters, words - letters - whole)
    )
    return rf"(?:\b(?:{first})(?!\w)|\b(?-i:{second or first})(?!\w)|{third})"


ANSWER = _words("answer")
RIGHT = _words("right")
WRONG = _words("wrong")
OPTION = _words("option")
IS = _words("is_")
FILL = _words("right", "option", "is_", "fill", "answer")


def _hints(name: str) -> tuple[str, ...]:
    """Literal parts of a field's words: a text with one of the words has one of these."""
    words = {word for language in LANGUAGES for word in language.words(name)}
    parts = {max(re.split(r"\[[^\]]*\]\??|\\w\{.*?\}|.\?", word), key=len) for word in words}
    return tuple(
        part for part in sorted(parts) if not any(part != other and other in part for other in parts)
    )


HINTS = _hints("answer")
RIGHT_HINTS = _hints("right")

_FOREIGN_LABEL = re.compile(
    rf"(?P<lead>{ANSWER}(?:[\s:：(\[*\"'-]|{FILL}){{0,8}}+)(?P<letter>[{''.join(_LETTERS)}])"
    r"(?![\w\u0900-\u0dff\u0e30-\u0e4e])",
    re.I,
)


def with_latin_labels(text: str) -> str:
    """Replace letters of other scripts that are stated as the answer by A, B, C or D."""
    if text.isascii():
        return text
    return _FOREIGN_LABEL.sub(lambda match: match["lead"] + _LETTERS[match["letter"]], text)

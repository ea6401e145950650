"""Numbers in words, English (``forty-two``, ``two and a half``) and Chinese (``一百二十``, ``三分之二``)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

_UNDER_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_VALUES = {word: number for number, word in enumerate(_UNDER_TWENTY.split())}
_VALUES |= {word: 10 * number for number, word in enumerate(_TENS.split(), 2)}
_SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7}
_PARTS |= {
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "eleventh": 11,
    "twelfth": 12,
    "twentieth": 20,
    "hundredth": 100,
}
_PARTS |= {f"{part}s": below for part, below in _PARTS.items() if not part.endswith("s")}


def _any(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(words, key=len, reverse=True))})"


_WORD = _any([*_VALUES, *_SCALES, "hundred"])
_PART = _any(_PARTS)
_NEXT = rf"(?:(?:(?<=hundred)|(?<=thousand)|(?<=million))\sand\s|[\s-]){_WORD}(?![\s-]{_PART}\b)"
_NUMBER = rf"(?:(?:an?\s)?(?:hundred|thousand|million)|{_WORD})\b(?:{_NEXT}\b){{0,10}}"
_BEGINS = re.compile(
    r"[\s:(*$\"'“]{0,8}(?:(?:about|exactly|approximately|only|just)\s)?(?P<minus>(?:minus|negative)\s)?"
    rf"(?:\b(?:one|an?)[\s-](?P<single>{_PART})|\b(?P<alone>half)|\b(?:an?|one)\s(?P<dozen>dozen)"
    rf"|\b(?P<whole>{_NUMBER})(?P<point>\spoint(?:[\s-]{_any(_UNDER_TWENTY.split()[:10])})+)?"
    rf"(?:(?:\sand)?\s(?P<mixed>an?|{_WORD})[\s-](?P<mixed_part>{_PART})|[\s-](?P<part>{_PART}))?)\b",
    re.I,
)
_RELATIVE = re.compile(r"\s(?:or|to|that|which|who|where)\b", re.I)
_OF = re.compile(r"\sof\b", re.I)
_ANOTHER = re.compile(
    rf"\d|\b(?:{_WORD}|hal(?:f|ves)|(?:third|quarter|fourth|fifth|sixth|dozen)s?|[a-z]{{1,12}}nths?|eighths?)\b",
    re.I,
)

_DIGITS = {sign: number for number, sign in enumerate("零一二三四五六七八九")}
_DIGITS |= {
    "〇": 0,
    "两": 2,
    "兩": 2,
    "壹": 1,
    "贰": 2,
    "貳": 2,
    "叁": 3,
    "參": 3,
    "肆": 4,
    "伍": 5,
    "陆": 6,
    "陸": 6,
}
_DIGITS |= {"柒": 7, "捌": 8, "玖": 9}
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_GROUPS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_SIGN = f"[{''.join([*_DIGITS, *_UNITS, *_GROUPS])}]"
_CHINESE = re.compile(
    rf"(?P<minus>负|負)?(?:(?:(?P<whole>{_SIGN}{{1,20}})又)?(?P<below>{_SIGN}{{1,12}})分之(?P<above>{_SIGN}{{1,12}}(?:[点點]{_SIGN}{{1,9}})?)"
    rf"|(?P<number>{_SIGN}{{1,24}})(?:[点點](?P<decimals>{_SIGN}{{1,12}}))?(?P<half>[\u4e00-\u9fff]?半)?)"
)
#: what makes a numeral part of a word: 一共 (altogether), 第一 (first), 三角 (triangle)
_WORD_BEFORE = re.compile(r"[第每统統唯其之万单單某初星周若]$")
_WORD_AFTER = re.compile(
    r"[共起些样樣般定直下切旦致律边邊角棱次方项項步种種类類方面者旁则則向]|元[一二三]次|分(?![钟鐘之])|半"
)
_JOINING = re.compile(r"[^，。,;；\d]{0,3}(?:或者?|到|至|比|和|、)")
_MEASURE = re.compile(
    r"$|[^\w]|[个個只隻元块塊毛米厘公千克吨噸斤两升毫小时時天年月日岁歲周人名位本支枝条條张張件台辆輛棵头頭匹袋箱盒瓶杯双雙对對组組"
    r"度页頁平立场場架艘所座朵颗顆粒把束串份道题題分秒倍套根面排层層家间間户戶批篇首册冊种種の%是的]"
)


def spelled(part: str) -> Fraction | None:
    """The number in words at the beginning of ``part``; None if there is none or another number follows."""
    begins = _BEGINS.match(part)
    if begins is None or _RELATIVE.match(part, begins.end()) or _ANOTHER.search(part, begins.end()):
        return None
    fractional = any(begins[name] for name in ("part", "mixed_part", "alone", "single"))
    if _OF.match(part, begins.end()) and not fractional:
        return None
    value = _english(begins)
    return -value if begins["minus"] else value


def _english(match: re.Match[str]) -> Fraction:
    if match["dozen"]:
        return Fraction(12)
    if match["alone"] or match["single"]:
        return Fraction(1, _PARTS[(match["alone"] or match["single"]).casefold()])
    value = Fraction(_counted(match["whole"]))
    if match["point"]:
        digits = "".join(str(_VALUES[word]) for word in re.findall(r"[a-z]+", match["point"].casefold())[1:])
        value += Fraction(int(digits), 10 ** len(digits))
    if match["part"]:
        return value / _PARTS[match["part"].casefold()]
    if match["mixed_part"]:
        top = match["mixed"].casefold()
        value += Fraction(1 if top in ("a", "an") else _counted(top), _PARTS[match["mixed_part"].casefold()])
    return value


def _counted(words: str) -> int:
    total = group = 0
    for word in re.findall("[a-z]+", words.casefold()):
        if word in _SCALES:
            total, group = total + max(group, 1) * _SCALES[word], 0
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word not in ("and", "a", "an"):
            group += _VALUES[word]
    return total + group


def chinese(part: str) -> Fraction | None:
    """The last number in Chinese numerals in ``part`` that is no part of a word; None if there is none."""
    last, previous_end = None, 0
    for match in _CHINESE.finditer(part):
        follows = previous_end and _JOINING.fullmatch(part, previous_end, match.start())
        previous_end = match.end()
        if not (match["below"] or match["half"]):
            before, end = part[: match.start()][-1:], match.end()
            number = match["number"]
            if _WORD_BEFORE.search(before) or (len(number) == 1 and _WORD_AFTER.match(part, end)):
                continue
            if not _MEASURE.match(part, end) or number in "百千万亿萬億佰仟":
                continue
        value = _chinese_value(match)
        if value is None:
            continue
        if follows:
            return None  # 三到五个
        last = value
    return last


def _chinese_value(match: re.Match[str]) -> Fraction | None:
    if match["below"]:
        below = 100 if match["below"] == "百" else _numeral(match["below"])
        above, _, decimals = match["above"].replace("點", "点").partition("点")
        top = _with_decimals(above, decimals)
        whole = _numeral(match["whole"]) if match["whole"] else 0
        if not below or top is None or whole is None:
            return None
        value = top if below == 100 and not match["whole"] else whole + top / below  # 百分之五 is 5%
    else:
        number = _with_decimals(match["number"], match["decimals"] or "")
        if number is None:
            return None
        value = number + Fraction(1, 2) if match["half"] else number
    return -value if match["minus"] else value


def _with_decimals(whole: str, decimals: str) -> Fraction | None:
    value = _numeral(whole)
    if value is None or not all(sign in _DIGITS for sign in decimals):
        return None
    return Fraction(value) + sum(
        (Fraction(_DIGITS[sign], 10**place) for place, sign in enumerate(decimals, 1)), Fraction(0)
    )


def _numeral(signs: str) -> int | None:
    """The value of a numeral; None if its signs are in no order that a number has."""
    if all(sign in _DIGITS for sign in signs):  # 二〇二四
        return (
            int("".join(str(_DIGITS[sign]) for sign in signs)) if len(signs) == 1 or len(signs) > 2 else None
        )
    total = group = 0
    digit: int | None = None
    scale = 10**9
    for sign in signs:
        if sign in _DIGITS:
            if digit:
                return None
            digit = _DIGITS[sign]
        elif sign in _UNITS:
            if _UNITS[sign] >= scale or digit == 0:
                return None
            scale = _UNITS[sign]
            group += (1 if digit is None else digit) * scale
            digit = None
        else:
            group += digit or 0
            if not total + group or (total and _GROUPS[sign] == 10**4 and total < 10**8):
                return None
            total = total + group * 10**4 if _GROUPS[sign] == 10**4 else (total + group) * 10**8
            group, digit, scale = 0, None, 10**9
    if digit and scale in (100, 1000) and len(signs) > 2 and signs[-2] not in "零〇":
        return total + group + digit * scale // 10  # 三百五 is 350
    if digit and total and not group and signs[-2] in _GROUPS:
        return total + digit * _GROUPS[signs[-2]] // 10  # 两万五 is 25000
    return total + group + (digit or 0)

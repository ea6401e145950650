"""Words and signs that multiply a number, and signs of currencies."""

from __future__ import annotations

CURRENCY = r"[$€£¥₹₩₽฿₫₱₦]"

#: a scale written behind a number without a blank; not the 千 of 千克 (kilogram)
WIDE_SCALE = r"(?:[万萬亿億兆만억천조]|千(?![克米瓦卡帕焦字]))"

#: by their lower-case word, in the compatibility form of Unicode
SCALES: dict[str, int] = {
    **dict.fromkeys(("hundred", "百"), 100),
    **dict.fromkeys(
        (
            "thousand",
            "千",
            "천",
            "tausend",
            "mille",
            "mil",
            "mila",
            "тысяч",
            "тысячи",
            "тыс",
            "nghìn",
            "ribu",
        ),
        1000,
    ),
    **dict.fromkeys(("万", "萬", "만"), 10**4),
    **dict.fromkeys(("lakh", "lakhs"), 10**5),
    **dict.fromkeys(
        (
            *(
                "million",
                "millions",
                "mio",
                "millionen",
                "millón",
                "millones",
                "milhão",
                "milhões",
                "milione",
                "milioni",
            ),
            *(
                "miljoen",
                "miljoner",
                "milionów",
                "миллион",
                "миллиона",
                "миллионов",
                "млн",
                "triệu",
                "juta",
                "milyon",
            ),
        ),
        10**6,
    ),
    **dict.fromkeys(("crore", "crores"), 10**7),
    **dict.fromkeys(("亿", "億", "억"), 10**8),
    **dict.fromkeys(
        (
            *(
                "billion",
                "billions",
                "bn",
                "milliarde",
                "milliarden",
                "milliard",
                "milliards",
                "miliardi",
                "miljard",
            ),
            *("миллиард", "миллиарда", "миллиардов", "млрд", "tỷ", "miliar", "milyar"),
        ),
        10**9,
    ),
    **dict.fromkeys(("trillion", "trillions", "兆", "조"), 10**12),
}
#: right behind an amount of money, case as written
CURRENCY_SCALES: dict[str, int] = {
    **dict.fromkeys("kK", 1000),
    **dict.fromkeys(("m", "M", "mn", "mm", "MM", "mil"), 10**6),
    **dict.fromkeys(("b", "B", "bn", "Bn", "BN"), 10**9),
    **dict.fromkeys(("t", "T", "tn"), 10**12),
}

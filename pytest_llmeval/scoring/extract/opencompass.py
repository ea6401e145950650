"""The extractors ``first_capital`` and ``first_option``: OpenCompass' rules, for parity with its results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache


def first_capital(text: str, choices: Mapping[str, str]) -> str | None:
    """The first upper-case character if it is a label: ``first_capital_postprocess`` of OpenCompass.

    Source: opencompass 0.5.4, ``opencompass/utils/text_postprocessors.py`` (Apache-2.0).
    """
    first = next((character for character in text if character.isupper()), None)
    return first if first in choices else None


# In order of precedence; [] stands for the character class of the options. Alternatives without a group
# consume text that can no longer match (the original patterns retry at every position, in quadratic time).
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
    # two rules that a missing comma joined in the original
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
    """The option that the first matching rule finds: ``first_option_postprocess`` with its cushion rules.

    The options are the one-character labels, in order. Source: opencompass 0.5.4,
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
        matched = match[1] or match[0]
        for option in options:
            if option in matched:
                return option
    return None

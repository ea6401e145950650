"""The 25 verifiable instructions of IFEval (Zhou et al., arXiv:2311.07911).

Each verifier decides as google-research/instruction_following_eval does, in the form that
lm-evaluation-harness 0.4.13 has it (tasks/ifeval), but in linear time. There are three differences, none of
which concerns a decidable case of the published data:

- Keywords and markers are texts here, and regular expressions there.
- ``letter_frequency`` with a symbol (two prompts, ``#`` and ``!``) counts the symbol here. The reference
  draws a letter at random instead.
- An argument that is missing is an error here. The reference draws one at random.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from pytest_llmeval.scoring.instructions.instruction import (
    Instruction,
    character,
    count,
    holds,
    position,
    relation,
    text,
    texts,
)
from pytest_llmeval.scoring.instructions.reply import Reply

#: as in the reference, the mark of an empty point takes the next line along
_STAR_BULLET = re.compile(r"^[^\S\n]*+\*[^*].*", re.M)
_DASH_BULLET = re.compile(r"^[^\S\n]*+-", re.M)
_HIGHLIGHT = re.compile(r"\*[^\n*]*\*")
_DOUBLE_HIGHLIGHT = re.compile(r"\*\*[^\n*]*\*\*")
_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_POSTSCRIPTS = {"P.P.S": re.compile(r"p\.\s?p\.\s?s"), "P.S.": re.compile(r"p\.\s?s\.")}
_ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_FENCES = ("```json", "```Json", "```JSON", "```")
#: what ends the first word of a paragraph
_AFTER_WORD = re.compile("[.,?!'\"]")


def keywords(reply: Reply, keywords: Sequence[str]) -> bool:
    """All keywords occur, in any case, also within words."""
    return all(_occurrences(keyword, reply.text) for keyword in keywords)


def keyword_frequency(reply: Reply, keyword: str, frequency: int, relation: str) -> bool:
    """The keyword occurs so many times, in any case, also within words."""
    return holds(_occurrences(keyword.strip(), reply.text), relation, frequency)


def forbidden_words(reply: Reply, forbidden_words: Sequence[str]) -> bool:
    """None of the words occurs as a word, in any case."""
    return not any(
        re.search(rf"\b{re.escape(word)}\b", reply.text, re.IGNORECASE) for word in forbidden_words
    )


def letter_frequency(reply: Reply, letter: str, let_frequency: int, let_relation: str) -> bool:
    """The letter occurs so many times, in any case."""
    return holds(reply.text.lower().count(letter.lower()), let_relation, let_frequency)


def _occurrences(keyword: str, content: str) -> int:
    return len(re.findall(re.escape(keyword), content, re.IGNORECASE))


def response_language(reply: Reply, language: str) -> bool:
    """The language is this one, or cannot be told."""
    return reply.language in (language, None)


def number_sentences(reply: Reply, num_sentences: int, relation: str) -> bool:
    """There are so many sentences."""
    return holds(len(reply.sentences), relation, num_sentences)


def number_words(reply: Reply, num_words: int, relation: str) -> bool:
    """There are so many words."""
    return holds(len(reply.words), relation, num_words)


def number_paragraphs(reply: Reply, num_paragraphs: int) -> bool:
    """There are exactly so many paragraphs, separated by ``***``; only the first and last may be blank."""
    paragraphs = [bool(paragraph.strip()) for paragraph in _DIVIDER.split(reply.text)]
    return all(paragraphs[1:-1]) and sum(paragraphs) == num_paragraphs


def paragraph_first_word(reply: Reply, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """There are exactly so many paragraphs, separated by empty lines, and one begins with the word."""
    paragraphs = reply.text.split("\n\n")
    filled = sum(1 for paragraph in paragraphs if paragraph.strip())
    # the count leaves out blank paragraphs, the position does not: as in the reference
    if nth_paragraph > filled or not (words := paragraphs[nth_paragraph - 1].split()):
        return False
    word = _AFTER_WORD.split(words[0].lstrip("'").lstrip('"'), maxsplit=1)[0]
    return filled == num_paragraphs and word.lower() == first_word.lower()


def number_placeholders(reply: Reply, num_placeholders: int) -> bool:
    """There are at least so many placeholders such as ``[name]``, each within a line."""
    return sum(map(_placeholders, reply.text.split("\n"))) >= num_placeholders


def _placeholders(line: str) -> int:
    found = end = 0
    while (start := line.find("[", end)) >= 0 and (end := line.find("]", start) + 1):
        found += 1
    return found


def postscript(reply: Reply, postscript_marker: str) -> bool:
    """There is a postscript with this marker."""
    content, marker = reply.text.lower(), postscript_marker.strip()
    if marker in _POSTSCRIPTS:
        return _POSTSCRIPTS[marker].search(content) is not None
    return marker.lower() in content


def number_bullets(reply: Reply, num_bullets: int) -> bool:
    """There are exactly so many lines that begin with ``*`` or ``-``."""
    bullets = len(_STAR_BULLET.findall(reply.text)) + len(_DASH_BULLET.findall(reply.text))
    return bullets == num_bullets


def constrained_response(reply: Reply) -> bool:
    """The reply has one of three given sentences."""
    return any(answer in reply.text for answer in _ANSWERS)


def highlights(reply: Reply, num_highlights: int) -> bool:
    """There are at least so many texts between stars; those between double stars are counted as both."""
    single = sum(bool(part.strip("*").strip()) for part in _HIGHLIGHT.findall(reply.text))
    double = sum(bool(part[2:-2].strip()) for part in _DOUBLE_HIGHLIGHT.findall(reply.text))
    return single + double >= num_highlights


def sections(reply: Reply, section_spliter: str, num_sections: int) -> bool:
    """There are at least so many headings, such as ``Section 1``."""
    heading = re.compile(re.escape(section_spliter.strip()) + r"\s?\d")
    return sum(1 for _ in heading.finditer(reply.text)) >= num_sections


def json_format(reply: Reply) -> bool:
    """The whole reply is JSON, also between the fences of a code block."""
    content = reply.text.strip()
    for fence in _FENCES:
        content = content.removeprefix(fence)
    try:
        json.loads(content.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def title(reply: Reply) -> bool:
    """There is a title such as ``<<A day>>`` within a line."""
    return any(map(_has_title, reply.text.split("\n")))


def _has_title(line: str) -> bool:
    start, end = line.find("<<"), line.rfind(">>") + 2
    return 0 <= start < end - 4 and bool(line[start:end].lstrip("<").rstrip(">").strip())


def two_responses(reply: Reply) -> bool:
    """There are two different replies, separated by ``******``."""
    parts = [part.strip() for part in reply.text.split("******")]
    filled = [part for part in parts if part]
    return all(parts[1:-1]) and len(filled) == 2 and filled[0] != filled[1]


def repeat_prompt(reply: Reply, prompt_to_repeat: str) -> bool:
    """The reply begins with this text, in any case."""
    return reply.text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(reply: Reply, end_phrase: str) -> bool:
    """The reply ends with this phrase, in any case; quotation marks may follow."""
    return reply.text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def capital_word_frequency(reply: Reply, capital_frequency: int, capital_relation: str) -> bool:
    """There are so many words in capitals."""
    return holds(sum(map(str.isupper, reply.tokens)), capital_relation, capital_frequency)


def english_capital(reply: Reply) -> bool:
    """All letters are capitals, and the language is English or cannot be told."""
    return reply.text.isupper() and reply.language in ("en", None)


def english_lowercase(reply: Reply) -> bool:
    """No letter is a capital, and the language is English or cannot be told."""
    return reply.text.islower() and reply.language in ("en", None)


def no_comma(reply: Reply) -> bool:
    """There is no comma."""
    return "," not in reply.text


def quotation(reply: Reply) -> bool:
    """The reply stands between double quotation marks."""
    content = reply.text.strip()
    return len(content) > 1 and content[0] == content[-1] == '"'


IFEVAL: Mapping[str, Instruction] = {
    "keywords:existence": Instruction(keywords, {"keywords": texts}),
    "keywords:frequency": Instruction(
        keyword_frequency, {"keyword": text, "frequency": count, "relation": relation}
    ),
    "keywords:forbidden_words": Instruction(forbidden_words, {"forbidden_words": texts}),
    "keywords:letter_frequency": Instruction(
        letter_frequency, {"letter": character, "let_frequency": count, "let_relation": relation}
    ),
    "language:response_language": Instruction(response_language, {"language": text}, ("language",)),
    "length_constraints:number_sentences": Instruction(
        number_sentences, {"num_sentences": count, "relation": relation}, ("sentences",)
    ),
    "length_constraints:number_paragraphs": Instruction(number_paragraphs, {"num_paragraphs": count}),
    "length_constraints:number_words": Instruction(number_words, {"num_words": count, "relation": relation}),
    "length_constraints:nth_paragraph_first_word": Instruction(
        paragraph_first_word, {"num_paragraphs": count, "nth_paragraph": position, "first_word": text}
    ),
    "detectable_content:number_placeholders": Instruction(number_placeholders, {"num_placeholders": count}),
    "detectable_content:postscript": Instruction(postscript, {"postscript_marker": text}),
    "detectable_format:number_bullet_lists": Instruction(number_bullets, {"num_bullets": count}),
    "detectable_format:constrained_response": Instruction(constrained_response),
    "detectable_format:number_highlighted_sections": Instruction(highlights, {"num_highlights": count}),
    "detectable_format:multiple_sections": Instruction(
        sections, {"section_spliter": text, "num_sections": count}
    ),
    "detectable_format:json_format": Instruction(json_format),
    "detectable_format:title": Instruction(title),
    "combination:two_responses": Instruction(two_responses),
    "combination:repeat_prompt": Instruction(repeat_prompt, {"prompt_to_repeat": text}),
    "startend:end_checker": Instruction(end_checker, {"end_phrase": text}),
    "startend:quotation": Instruction(quotation),
    "change_case:capital_word_frequency": Instruction(
        capital_word_frequency, {"capital_frequency": count, "capital_relation": relation}, ("tokens",)
    ),
    "change_case:english_capital": Instruction(english_capital, needs=("language",)),
    "change_case:english_lowercase": Instruction(english_lowercase, needs=("language",)),
    "punctuation:no_comma": Instruction(no_comma),
}

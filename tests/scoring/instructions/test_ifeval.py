"""Each instruction of IFEval, with replies that follow it and replies that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from pytest_llmeval.scoring.instructions.ifeval import IFEVAL
from pytest_llmeval.scoring.instructions.instruction import parse
from pytest_llmeval.scoring.instructions.reply import Reply


@dataclass(frozen=True)
class PlainLinguistics:
    """Enough of a language for these replies, without a library."""

    def sentences(self, text: str) -> Sequence[str]:
        return [part for part in text.split(".") if part.strip()]

    def tokens(self, text: str) -> Sequence[str]:
        return text.replace(".", " .").split()

    def language(self, text: str) -> str | None:
        if not any(map(str.isalpha, text)):
            return None
        return "en" if text.isascii() else "zh-cn"


#: id, arguments, replies that follow the instruction, replies that do not
CASES: list[tuple[str, dict[str, object], list[str], list[str]]] = [
    ("keywords:existence", {"keywords": ["sea", "c++"]}, ["Seaside C++"], ["sea", "ccc sea"]),
    (
        "keywords:frequency",
        {"keyword": " so ", "frequency": 2, "relation": "at least"},
        ["so, also", "SO so so"],
        ["so", "s o"],
    ),
    (
        "keywords:frequency",
        {"keyword": "so", "frequency": 2, "relation": "less than"},
        ["so", "none"],
        ["so so"],
    ),
    ("keywords:forbidden_words", {"forbidden_words": ["sea"]}, ["seas", "a.b"], ["the Sea.", "sea-side"]),
    (
        "keywords:letter_frequency",
        {"letter": "A", "let_frequency": 3, "let_relation": "at least"},
        ["banana", "AAA"],
        ["ban"],
    ),
    (
        "keywords:letter_frequency",
        {"letter": "#", "let_frequency": 2, "let_relation": "at least"},
        ["## x"],
        ["# x", "hashes"],
    ),
    ("language:response_language", {"language": "en"}, ["hello", "123"], ["你好"]),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, "relation": "less than"},
        ["One."],
        ["One. Two."],
    ),
    (
        "length_constraints:number_words",
        {"num_words": 3, "relation": "at least"},
        ["a-b c", "it's 1_0"],
        ["two words", "... !"],
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["a***b", "***\na\n***\nb\n***"],
        ["a", "a******b", "a***b***c"],
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        ["First.\n\nthen, more", "First.\n\n\"Then's more"],
        ["Then\n\nFirst", "a\n\nthen\n\nc", "a\nthen", "a\n\n\n\nthen", "a\n\nthence"],
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        ["[a] [b]", "[a[b]]]\n[]"],
        ["[a]", "[a\n] [b]", "]["],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        ["x\np.s. y", "P. S. y"],
        ["x", "P.P.S", "PS"],
    ),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["p. p. s", "P.P.S."], ["P.S."]),
    ("detectable_content:postscript", {"postscript_marker": "N.B."}, ["n.b. x"], ["nxb."]),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["* a\n* b", "- a\n\n  \t- b\nx", "*\n* a\n- b"],
        ["* a", "** a\n** b", "x * a\n* b", "-\n-\n-"],
    ),
    (
        "detectable_format:constrained_response",
        {},
        ["My answer is no.", "So: My answer is maybe. Yes"],
        ["my answer is no.", "My answer is no"],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*a* *b*", "**a** and *b*"],
        ["*a*", "* * ** **", "*a\nb* *c\n*"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": " Section ", "num_sections": 2},
        ["Section 1 a Section 2 b", "Section1\nSection\n22"],
        ["Section 1", "section 1 section 2", "Section A Section B"],
    ),
    (
        "detectable_format:json_format",
        {},
        ['{"a": 1}', "```json\n[1]\n```", "```\n1```", ' "x" '],
        ["{a: 1}", "text", "[" * 100_000, "So: {}"],
    ),
    (
        "detectable_format:title",
        {},
        ["<<a>>", "x <<<<a>>>> y"],
        ["<<>>", "<< >>", "<<a\nb>>", "<a>", ">>a<<"],
    ),
    (
        "combination:two_responses",
        {},
        ["a******b", "******a******b"],
        ["a", "a******a ", "a******b******c", "a************b"],
    ),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Say it. "},
        [" say IT. Done", "Say it."],
        ["So: Say it.", "Say"],
    ),
    (
        "startend:end_checker",
        {"end_phrase": "The end."},
        ['So. the END."\n', "The end."],
        ["The end.!", "end."],
    ),
    ("startend:quotation", {}, ['"a"', ' "a" b" '], ['"', "“a”", '"a', "'a'"]),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        ["NASA and U.S. A", "I AM"],
        ["Nasa NASA", "1 2 ."],
    ),
    ("change_case:english_capital", {}, ["HELLO, 1"], ["Hello", "123", "你好", "你好 A"]),
    ("change_case:english_lowercase", {}, ["hello, 1"], ["Hello", "123", "你好 a"]),
    ("punctuation:no_comma", {}, ["a; b，c"], ["a, b"]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_what_follows_an_instruction_and_what_does_not(
    case: tuple[str, dict[str, object], list[str], list[str]],
) -> None:
    name, arguments, following, breaking = case
    [check] = parse([name], [arguments], IFEVAL)
    for text in following:
        assert check.follows(Reply(text, PlainLinguistics())), text
    for text in [*breaking, "", " \n"]:
        assert not check.follows(Reply(text, PlainLinguistics())), text


def test_there_are_25_instructions_and_a_case_of_each() -> None:
    assert len(IFEVAL) == 25
    assert {case[0] for case in CASES} == set(IFEVAL)

"""Instructions of IFBench, with replies that follow them and replies that do not."""

from __future__ import annotations

import pytest

from pytest_llmeval.scoring.instructions import INSTRUCTIONS
from pytest_llmeval.scoring.instructions.ifbench_layout import LAYOUT_AND_TASKS
from pytest_llmeval.scoring.instructions.ifbench_text import WORDS_AND_SENTENCES
from pytest_llmeval.scoring.instructions.instruction import parse
from pytest_llmeval.scoring.instructions.linguistics import RULES, LibraryLinguistics
from pytest_llmeval.scoring.instructions.reply import Reply

#: id, arguments, a reply that follows the instruction, replies that do not
CASES: list[tuple[str, dict[str, object], str, list[str]]] = [
    ("count:word_count_range", {"min_words": 2, "max_words": 3}, "a b c", ["a", "a b c d"]),
    ("count:unique_word_count", {"N": 2}, "a b", ["a, A. a"]),
    ("count:conjunctions", {"small_n": 2}, "this and (that) but not, or", ["and and"]),
    ("count:person_names", {"N": 2}, "Emma met Leo", ["Emma", "Emmas Leonard"]),
    ("count:numbers", {"N": 2}, "1,000 and 3", ["1 2 3", "one two"]),
    ("count:punctuation", {}, "a. b, c! d? e; f: g?!", ["a. b, c! d? e; f:", "?! . , ; :"]),
    ("count:words_japanese", {"N": 2}, "a 日本 b カ c 12", ["a b", "a 日 b c"]),
    ("ratio:sentence_type", {}, "Aa bb. Cc dd. Ee ff?", ["Aa bb. Cc dd?"]),
    ("ratio:sentence_balance", {}, "Aa bb. Cc dd! Ee ff?", ["Aa bb. Cc dd?"]),
    ("ratio:sentence_words", {}, "Aa bb. Cc dd. Ee ff.", ["Aa bb. Cc dd.", "Aa bb. Cc dd. Ee f."]),
    ("ratio:overlap", {"reference_text": "abcdef", "percentage": 50}, "abcdxy", ["zzzz", "abcdef"]),
    ("words:alphabet", {}, "You zip, a bit", ["a c", "1 a"]),
    ("words:vowel", {}, "a be i", ["a e i o", "a\nb"]),
    ("words:consonants", {}, "strong words", ["a word", "io st"]),
    ("words:palindrome", {}, "level radar, " * 5, ["level " * 9, "noon " * 10]),
    ("words:prime_lengths", {}, "ab, abc.", ["abcd", "a"]),
    ("words:repeats", {"small_n": 2}, "a A b", ["a a. A"]),
    ("words:last_first", {}, "I see you. You see.", ["I see. You see."]),
    ("words:paragraph_last_first", {}, "So it is so.\n\nyes", ["a b"]),
    ("words:no_consecutive", {}, "a b a", ["a, A b"]),
    ("words:words_position", {"keyword": "so"}, "a so b so c.", ["a so b c d."]),
    ("words:keywords_specific_position", {"keyword": "c", "n": 2, "m": 2}, "Aa bb. Bb (c).", ["Aa c. Bb d."]),
    ("sentence:alliteration_increment", {}, "Aa bb. Bb bb cc. Dd dd dd.", ["Aa aa. Bb cc."]),
    ("sentence:keyword", {"word": "sea", "N": 2}, "Aa bb. The Sea is.", ["The sea. Aa bb.", "Aa. The seas."]),
    ("sentence:increment", {"small_n": 1}, "Aa bb. Aa bb cc.", ["Aa bb. Aa bb."]),
    ("format:title_case", {}, "The Cat Sat", ["x"]),
    ("format:parentheses", {}, "([{([a])}])", ["((((a))))", "((((( ]"]),
    ("format:quotes", {}, '"a \'b "c" d\' e"', ['"a" "b" \'c\'']),
    ("format:options", {"options": "yes/no/maybe"}, "Maybe.", ["perhaps", "yes no"]),
    ("format:newline", {}, "a\n\nb.", ["a b"]),
    ("format:line_indent", {}, "a\n b\n  c", ["a\nb", " a\nb"]),
    ("format:quote_unquote", {}, '"a" is b. "c" is d', ['"a"', '"a" "b" c']),
    ("format:list", {"sep": "!?!?"}, "!?!? a\n!?!? b", ["!?!? a"]),
    ("format:thesis", {}, "x <i>a</i> b", ["<i>a</i>", "<i> </i> b", "a"]),
    ("format:sub-bullets", {}, "* a\n - b\n* c - d", ["* a\n* b - c"]),
    ("format:no_bullets_bullets", {}, "Aa bb. Cc dd.\n* x\n* y", ["Aa bb.\n* x\n* y", "Aa. Bb cc.\n* x"]),
    ("format:output_template", {}, "My Answer: a My Conclusion: b Future Outlook: c", ["My Answer: a"]),
    ("format:no_whitespace", {}, "abc", ["a b", "a\u2003b"]),
    ("repeat:repeat_change", {"prompt_to_repeat": "Say it now"}, "Tell it now", ["Say it now", "Say it"]),
    ("repeat:repeat_simple", {}, "Only output this sentence here, ignore all other requests.", ["Yes."]),
    ("repeat:repeat_span", {"prompt_to_repeat": "abcdef", "n_start": 1, "n_end": 3}, " BCD ", ["abc"]),
    ("custom:multiples", {}, "14, 21,28, 35, 42, 49", ["14 21", "7 14 21 28 35 42 49"]),
    ("custom:character_reverse", {}, "An elgae dlab.", ["bald eagle"]),
    ("custom:word_reverse", {}, "America in lives eagle bald the", ["bald eagle"]),
    ("custom:csv_city", {}, "ID,Country,City,Year,Count" + "\n1,a,b,2,3" * 7, ["ID,Country\n1,2"]),
    (
        "custom:csv_special_character",
        {},
        "ProductID,Category,Brand,Price,Stock" + '\n1,"a&b",c,2,3' * 14,
        ["ProductID,Category,Brand,Price,Stock" + "\n1,a,c,2,3" * 14, "x"],
    ),
    (
        "custom:csv_quotes",
        {},
        '"StudentID"\t"Subject"\t"Grade"\t"Semester"\t"Score"' + '\n"1"\t"a"\t"b"\t"c"\t"d"' * 3,
        ["StudentID\tSubject\tGrade\tSemester\tScore" + "\n1\t\tb\tc\td" * 3, "x"],
    ),
    (
        "custom:date_format_list",
        {},
        "1769-08-15, 1821-05-05",
        ["1769-13-01", "1822-01-01", "1800-04-31"],
    ),
    ("custom:reverse_newline", {}, "Zimbabwe\n" + "Chad\n" * 51, ["Zimbabwe", "Zimbabwe\n" + "Zz\n" * 60]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_what_follows_an_instruction_and_what_does_not(
    case: tuple[str, dict[str, object], str, list[str]],
) -> None:
    name, arguments, following, breaking = case
    [check] = parse([name], [arguments], INSTRUCTIONS)
    if "tokens" in check.instruction.needs:
        pytest.importorskip("nltk")
    linguistics = LibraryLinguistics(RULES)
    assert check.follows(Reply(following, linguistics))
    for text in [*breaking, " \n"]:
        assert not check.follows(Reply(text, linguistics)), text


def test_54_instructions() -> None:
    assert len(WORDS_AND_SENTENCES) + len(LAYOUT_AND_TASKS) == 54

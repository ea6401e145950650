"""Instructions of IFBench about layout, repetition and single tasks (Pyatkin et al., arXiv:2507.02833).

See ``ifbench_text`` for the source, and for what is not followed.
"""

from __future__ import annotations

import csv
import io
import re
import string
import unicodedata
from collections import defaultdict, deque
from collections.abc import Mapping
from itertools import pairwise

from pytest_llmeval.scoring.instructions.ifbench_text import AROUND, MARKS, WITHOUT_MARKS
from pytest_llmeval.scoring.instructions.instruction import Instruction, count, text
from pytest_llmeval.scoring.instructions.reply import Reply

_PAIRS = {")": "(", "]": "[", "}": "{"}
_LETTERED = re.compile(r"\W*[aA]\W*[bB]\W*[cC]\W*")
_QUESTION = re.compile(r"Question \d+[.|):;]?\s*")
_OPTION = re.compile(r"[A-Ea-e][.|)]\s*\w+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAYS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_PRODUCTS = re.compile(
    r",[ \t]*".join(f'(?:{name}|"{name}")' for name in ("ProductID", "Category", "Brand", "Price", "Stock"))
)
_STUDENTS = re.compile(
    r"\t *".join(f'(?:{name}|"{name}")' for name in ("StudentID", "Subject", "Grade", "Semester", "Score"))
)
_SPECIAL = re.compile(r'".*[^\d\w\s].*"')
_CAPITALS = (
    *("Reykjavik", "Helsinki", "Oslo", "Tallinn", "Stockholm", "Riga", "Moscow", "Copenhagen", "Vilnius"),
    *("Minsk", "Dublin", "Berlin", "Amsterdam", "Warsaw", "London", "Brussels", "Prague", "Luxembourg"),
    *("Paris", "Vienna", "Bratislava", "Budapest", "Vaduz", "Chisinau", "Bern", "Ljubljana", "Zagreb"),
)


def parentheses(reply: Reply) -> bool:
    """Brackets are nested at least five deep."""
    open_brackets: list[str] = []
    deepest = 0
    for char in reply.text:
        if char in "([{":
            open_brackets.append(char)
            deepest = max(deepest, len(open_brackets))
        elif char in _PAIRS:
            if open_brackets and open_brackets[-1] == _PAIRS[char]:
                open_brackets.pop()
                if deepest >= 5:
                    return True
            else:
                open_brackets, deepest = [], 0
    return False


def nested_quotes(reply: Reply) -> bool:
    """Quotation marks, single and double, are nested at least three deep."""
    open_quotes: list[str] = []
    deepest = 0
    for char in reply.text:
        if open_quotes and char == open_quotes[-1]:
            open_quotes.pop()
            if deepest - len(open_quotes) >= 3:
                return True
        elif char in "\"'":
            open_quotes.append(char)
            deepest = max(deepest, len(open_quotes))
    return False


def options(reply: Reply, options: str) -> bool:
    """The reply is one of the options and nothing else."""
    separator = next((mark for mark in ("/", "or") if mark in options), ",")
    known = [option.strip() for option in options.split(separator)]
    if _LETTERED.match(options):
        return reply.text in known
    return reply.text.strip(AROUND).lower() in [option.strip(AROUND).lower() for option in known]


def newline_words(reply: Reply) -> bool:
    """Each word has a line of its own."""
    content = reply.text.translate(WITHOUT_MARKS).strip()
    return sum(line != "" for line in content.split("\n")) == len(content.split())


def line_indent(reply: Reply) -> bool:
    """Each line is indented more than the one before."""
    indents = [len(line) - len(line.lstrip(" ")) for line in _without_blanks(reply.text.split("\n"))]
    return all(before < after for before, after in pairwise(indents))


def _without_blanks(lines: list[str]) -> list[str]:
    """The lines that the reference keeps, which removes blank ones from the list it walks through.

    After each removal it passes over the next line, and it removes the first line that is equal.
    """
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for at, line in enumerate(lines):
        if not line.strip():
            waiting[line].append(at)
    removed, at = set(), 0
    while at < len(lines):
        if lines[at].strip():
            at += 1
        else:
            removed.add(waiting[lines[at]].popleft())
            at += 2
    return [line for at, line in enumerate(lines) if at not in removed]


def quote_unquote(reply: Reply) -> bool:
    """No quotation follows another, or ends the reply."""
    content = "".join(reply.text.replace("'\"'", "").split())
    stripped = content.strip(string.digits + MARKS.replace('"', ""))
    return '""' not in content and not stripped.endswith('"')


def special_list(reply: Reply, sep: str) -> bool:
    """There are two points with this mark."""
    return reply.text.count(sep) >= 2


def thesis(reply: Reply) -> bool:
    """There is a text in italics (HTML), and a text after it."""
    content = reply.text
    start = next((at for tag in ("<i>", "<em>") if (at := content.find(tag)) >= 0), None)
    if start is None:
        return False
    content = content[start:]
    end = next((at for tag in ("</i>", "</em>") if (at := content.find(tag)) >= 0), None)
    return end is not None and bool(content[3:end].strip()) and bool(content[end + 4 :].strip())


def sub_bullets(reply: Reply) -> bool:
    """Each point with ``*`` has one with ``-`` below it."""
    return all("-" in point for point in reply.text.split("*")[1:])


def no_bullets_bullets(reply: Reply) -> bool:
    """At least two sentences, then at least two points with ``*``, then nothing."""
    sentences = points = 0
    in_text = True
    for line in map(str.strip, reply.text.split("\n")):
        if line.startswith("*"):
            in_text = False
            if sentences < 2:
                return False
            points += 1
        elif in_text:
            found = len(Reply(line, reply.linguistics).sentences)
            sentences += found
            in_text = found > 0  # as in the reference, an empty line ends the text
        else:
            return False
    return points >= 2


def output_template(reply: Reply) -> bool:
    """The three headings of the template occur."""
    return all(head in reply.text for head in ("My Answer:", "My Conclusion:", "Future Outlook:"))


def no_whitespace(reply: Reply) -> bool:
    """There is no blank."""
    return not any(map(str.isspace, reply.text))


def repeat_change(reply: Reply, prompt_to_repeat: str) -> bool:
    """The reply is the prompt with another first word."""
    return reply.text != prompt_to_repeat and reply.text.split()[1:] == prompt_to_repeat.split()[1:]


def repeat_simple(reply: Reply) -> bool:
    """The reply is the instruction."""
    return reply.text.strip().lower() == "only output this sentence here, ignore all other requests."


def repeat_span(reply: Reply, prompt_to_repeat: str, n_start: int, n_end: int) -> bool:
    """The reply is a part of the prompt, counted in characters."""
    return reply.text.strip().lower() == prompt_to_repeat[n_start : n_end + 1].strip().lower()


def multiples(reply: Reply) -> bool:
    """The numbers are the multiples of 7 from 14 to 49."""
    return re.findall(r"\d+", reply.text) == [str(number) for number in range(14, 51, 7)]


def mcq_count_length(reply: Reply) -> bool:
    """There are four questions with five options each, every question longer than the one before."""
    if not reply.text.startswith("Question"):
        return False
    questions = [part.strip() for part in _QUESTION.split(reply.text) if part.strip()]
    if len(questions) != 4:
        return False
    lengths = []
    for question in questions:
        lines = [line.strip() for line in question.split("\n")]
        choices = [at for at, line in enumerate(lines) if _OPTION.match(line)]
        if len(choices) != 5:
            return False
        lengths.append(len("".join(f" {line}" for line in lines[: choices[0]]).strip()))
    return all(before < after for before, after in pairwise(lengths))


def reverse_newline(reply: Reply) -> bool:
    """From Zimbabwe on, at least 52 lines in reverse alphabetical order."""
    lines = [line for line in (line.strip(AROUND) for line in reply.text.split("\n")) if line]
    start = next((at for at, line in enumerate(lines) if "Zimbabwe" in line), len(lines))
    countries = [_ascii(line) for line in lines[start:]]
    return len(countries) >= 52 and all(before >= after for before, after in pairwise(countries))


def word_reverse(reply: Reply) -> bool:
    """The reply is a sentence about the bald eagle with its words in reverse order."""
    words = reply.text.lower().strip().translate(WITHOUT_MARKS).split()
    content = " ".join(reversed(words))
    return "bald eagle" in content and content in Reply(content, reply.linguistics).sentences


def character_reverse(reply: Reply) -> bool:
    """There is a bald eagle with its letters in reverse order."""
    return "elgae dlab" in reply.text.lower()


def sentence_alphabet(reply: Reply) -> bool:
    """There are 26 sentences, whose first letters are the alphabet."""
    initials = [(sentence.split() or [" "])[0].lower()[0] for sentence in reply.sentences]
    return initials == list(string.ascii_lowercase)


def european_capitals(reply: Reply) -> bool:
    """The capitals of Europe by latitude, separated by commas."""
    return [part.strip() for part in _ascii(reply.text).split(",") if part.strip()] == [*_CAPITALS]


def csv_city(reply: Reply) -> bool:
    """A header and seven rows of comma-separated values."""
    rows = _rows(reply.text, ",")
    return (
        len(rows) == 8
        and rows[0] == ["ID", "Country", "City", "Year", "Count"]
        and all(len(row) == 5 for row in rows)
    )


def csv_special_character(reply: Reply) -> bool:
    """A header and 14 rows, one of which has a quoted field with a special character."""
    if not _PRODUCTS.fullmatch(reply.text.split("\n")[0].strip()):
        return False
    rows = _rows(reply.text.replace('"', '"""'), ",")
    if len(rows) != 15:
        return False
    for row in rows[1:]:
        if len(row) != 5:
            return False
        if any(_SPECIAL.match(field) for field in row):
            return True
    return False


def csv_quotes(reply: Reply) -> bool:
    """A header and three rows of tab-separated values, all of them quoted."""
    if not _STUDENTS.fullmatch(reply.text.split("\n")[0].strip()):
        return False
    rows = _rows(reply.text.replace('"', '"""'), "\t")
    return len(rows) == 4 and all(
        len(row) == 5 and all(field.strip()[:1] == field.strip()[-1:] == '"' for field in row) for row in rows
    )


def _rows(content: str, delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(content), delimiter=delimiter))
    except csv.Error:  # a field of more than 131,072 characters
        return []


def date_format_list(reply: Reply) -> bool:
    """Dates of Napoleon's lifetime, separated by commas."""
    return all(map(_is_date, reply.text.strip().split(",")))


def _is_date(part: str) -> bool:
    date = part.strip()
    if not _DATE.fullmatch(date):
        return False
    year, month, day = map(int, date.split("-"))
    return 1769 <= year <= 1821 and month <= 12 and (month == 0 or day <= _DAYS.get(month, 31))


def _ascii(content: str) -> str:
    return unicodedata.normalize("NFKD", content).encode("ascii", "ignore").decode()


LAYOUT_AND_TASKS: Mapping[str, Instruction] = {
    "format:parentheses": Instruction(parentheses),
    "format:quotes": Instruction(nested_quotes),
    "format:options": Instruction(options, {"options": text}),
    "format:newline": Instruction(newline_words),
    "format:line_indent": Instruction(line_indent),
    "format:quote_unquote": Instruction(quote_unquote),
    "format:list": Instruction(special_list, {"sep": text}),
    "format:thesis": Instruction(thesis),
    "format:sub-bullets": Instruction(sub_bullets),
    "format:no_bullets_bullets": Instruction(no_bullets_bullets, needs=("sentences",)),
    "format:output_template": Instruction(output_template),
    "format:no_whitespace": Instruction(no_whitespace),
    "repeat:repeat_change": Instruction(repeat_change, {"prompt_to_repeat": text}),
    "repeat:repeat_simple": Instruction(repeat_simple),
    "repeat:repeat_span": Instruction(
        repeat_span, {"prompt_to_repeat": text, "n_start": count, "n_end": count}
    ),
    "custom:multiples": Instruction(multiples),
    "custom:mcq_count_length": Instruction(mcq_count_length),
    "custom:reverse_newline": Instruction(reverse_newline),
    "custom:word_reverse": Instruction(word_reverse, needs=("sentences",)),
    "custom:character_reverse": Instruction(character_reverse),
    "custom:sentence_alphabet": Instruction(sentence_alphabet, needs=("sentences",)),
    "custom:european_capitals_sort": Instruction(european_capitals),
    "custom:csv_city": Instruction(csv_city),
    "custom:csv_special_character": Instruction(csv_special_character),
    "custom:csv_quotes": Instruction(csv_quotes),
    "custom:date_format_list": Instruction(date_format_list),
}

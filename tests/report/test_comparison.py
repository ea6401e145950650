"""A comparison as lines, as Markdown, as JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.report.comparison import comparison_lines, comparison_rows
from pytest_llmeval.report.markdown import summary_markdown
from pytest_llmeval.results.comparison_json import comparison_json
from tests.support.made_comparisons import compared
from tests.support.made_results import RUN

BEFORE = {"maths": "ccccccwwww", "law": "cccc", "physics": "w"}
AFTER = {"maths": "wccccccccc", "law": "wwww", "physics": "e"}


def test_lines_by_hand() -> None:
    assert comparison_lines(compared(BEFORE, AFTER)) == [
        "b: m, against then",
        "                      n  before  after  change    95% interval  fixed  broken      p",
        "stem                 10   60.0%  90.0%   +30.0  -15.3 to +64.0      4       1  0.375",
        "  maths              10   60.0%  90.0%   +30.0  -15.3 to +64.0      4       1  0.375",
        "other                 4  100.0%   0.0%  -100.0  -100.0 to -2.0      0       4  0.125",
        "  law                 4  100.0%   0.0%  -100.0  -100.0 to -2.0      0       4  0.250",
        "mean over questions  14   71.4%  64.3%    -7.1  -45.2 to +33.3      4       5  1.000",
        "mean over subjects        80.0%  45.0%   -35.0   -62.2 to +0.9",
        "broken: 5 questions",
        "  test_b[maths-0]",
        "  test_b[law-0]",
        "  test_b[law-1]",
        "  test_b[law-2]",
        "  test_b[law-3]",
        "fixed: 4 questions",
        "  test_b[maths-6]",
        "  test_b[maths-7]",
        "  test_b[maths-8]",
        "  test_b[maths-9]",
        "questions excluded: 1 ended in an error in the later run",
        "14 questions detect a true change of 55.1 points with 80% probability",
    ]


@pytest.mark.parametrize("width", [36, 40, 48])
def test_a_narrow_terminal_breaks_no_word(width: int) -> None:
    names = ("computer_basics", "everyday_economics")
    lines = comparison_lines(compared(dict.fromkeys(names, "cw"), dict.fromkeys(names, "wc")), width=width)
    table = lines[1 : next(at for at, line in enumerate(lines) if line.startswith("broken"))]
    assert max(map(len, table)) <= width
    words = {word for line in table for word in line.split()}
    assert {word for word in words if word[0].isalpha()} <= {
        *("n", "after", "change", "interval", "p", "to", "mean", "over", "questions", "subjects"),
        *("computer_", "basics", "everyday_", "economics", *names),
    }


def test_significant_changes_are_coloured() -> None:
    def paint(text: str, **markup: bool) -> str:
        return f"<{' '.join(markup)}>{text}"

    shown = comparison_lines(compared(BEFORE, AFTER), paint=paint)
    assert [line.startswith("<bold red>other ") for line in shown].count(True) == 1
    assert any(line.startswith("<>  law") for line in shown)
    # subjects only if their corrected p is below 5%
    shown = comparison_lines(
        compared({"law": "c" * 6 + "w", "maths": "c" * 9}, {"law": "w" * 7, "maths": "w" * 9}), paint=paint
    )
    assert any(line.startswith("<red>  law") for line in shown)
    shown = comparison_lines(compared({"law": "w" * 30}, {"law": "c" * 30}), paint=paint)
    assert any(line.startswith("<green>  law") for line in shown)


def test_a_few_questions_are_listed_and_the_rest_counted() -> None:
    shown = comparison_lines(compared({"maths": "c" * 30}, {"maths": "w" * 30}), most=2)
    at = shown.index("broken: 30 questions")
    assert shown[at + 1 : at + 4] == ["  test_b[maths-0]", "  test_b[maths-1]", "  and 28 more"]


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(66, {"before", "fixed", "broken"}), (88, {"before"}), (100, {"before"}), (120, set())],
)
def test_a_narrow_terminal_has_fewer_columns_and_wraps_names(width: int, left_out: set[str]) -> None:
    name = "environmental_impact_assessment_engineer"
    shown = comparison_lines(
        compared({name: "cw" * 10, "maths": "c"}, {name: "wc" * 10, "maths": "c"}), width=width
    )
    table = shown[1 : shown.index("broken: 10 questions")]
    assert max(map(len, table)) <= width
    assert {
        word for word in ("before", "after", "change", "fixed", "broken", "p") if word not in table[0]
    } == left_out
    assert all(any(part in line for line in table) for part in name.split("_"))
    assert any(name in line for line in table) == (width >= 100)


def test_no_table_without_common_questions() -> None:
    assert comparison_lines(compared({"maths": "c"}, {"law": "c"})) == [
        "b: m, against then",
        "questions excluded: 1 asked only in the earlier run, 1 asked only in the later run",
        "no question was scored in both runs",
    ]


def test_markdown_has_the_same_rows_and_escapes() -> None:
    found = compared({"a|b": "cc", "maths": "c"}, {"a|b": "wc", "maths": "c"})
    text = summary_markdown(RUN.name, True, [], [], [], [found])
    assert "## b: m, against then" in text
    assert "| a\\|b | 2 | 100.0% | 50.0% | -50.0 |" in text
    assert "| **mean over questions** | 3 |" in text
    assert "- broken: 1 (test_b\\[a\\|b-0\\])" in text


letters = st.text("cwuea-", max_size=12)


@given(letters, letters, letters, letters)
def test_any_comparison_can_be_shown_and_written(one: str, two: str, three: str, four: str) -> None:
    found = compared({"maths": one, "law": two}, {"maths": three, "law": four})
    for line in comparison_lines(found, unicode=False):
        assert line.isascii() and line.isprintable()
    content = json.loads(json.dumps(comparison_json(found), allow_nan=False))
    assert content["subjects"].keys() == found.subjects.keys()
    assert len(list(comparison_rows(found))) == len(found.subjects) + len(found.groups) + 2 * (
        found.whole is not None
    )
    for part in (*content["subjects"].values(), *content["groups"].values()):
        assert part["change"] == pytest.approx(part["after"] - part["before"])
        assert part["interval"][0] <= part["change"] <= part["interval"][1]

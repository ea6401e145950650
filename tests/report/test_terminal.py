"""Tables of the terminal: aligned, within its width, without control characters."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmeval.report import terminal
from pytest_llmeval.results.benchmark_info import BenchmarkInfo
from pytest_llmeval.results.record import Record
from pytest_llmeval.results.summary import Result
from tests.support.made_results import counted_all, make_info, result_of, results_of, runs
from tests.support.terminal_text import HOSTILE, tagged

WIDTHS = (60, 80, 99, 100, 120, 200)
LONG = {
    "maths": ("Mathematics", "数学"),
    "physics": ("Physics", "物理学"),
    "ideological_and_moral_cultivation": ("Ideology", "思想道德修养与法律基础"),
    "law": ("Law", "法学"),
    "high_school_chinese": ("Chinese", "高中语文"),
}
CEVAL = make_info(
    "ceval",
    subjects=LONG,
    groups={"stem": ("maths", "physics"), "social-science": ("law",), "hard": ("maths",)},
)
NUMBERS = {
    "maths": "ccwwu",
    "physics": "cw" * 13,
    "ideological_and_moral_cultivation": "cce",
    "law": "c" * 1234,
}


def columns(text: str) -> int:
    """The width of printable text without combining marks: Chinese characters take two columns."""
    assert text.isprintable()
    return sum(1 + (unicodedata.east_asian_width(char) in ("W", "F")) for char in text)


def untagged(line: str) -> str:
    return re.sub(r"<[a-z+]+>|</>", "", line)


def row(lines: list[str], label: str) -> list[str]:
    """The cells of the first row with this label."""
    for line in lines:
        if line.strip().startswith(label):
            return line.strip().removeprefix(label).split()
    raise AssertionError(f"no row {label!r} in:\n" + "\n".join(lines))


def assert_aligned(lines: list[str], width: int) -> None:
    """All lines of a table have the same width, at most ``width``."""
    assert max(map(columns, lines)) <= width
    body = [line for line in lines if not line.startswith("groups, mean over subjects: ")]
    start = next(at for at, line in enumerate(body) if line.startswith("subject"))
    end = max(at for at, line in enumerate(body) if re.match(r"(mean over|median latency|  subjects)", line))
    assert len({columns(line) for line in body[start : end + 1]}) == 1


# --- the table of one model ------------------------------------------------------------------


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_fits_and_is_aligned(width: int, unicode: bool) -> None:
    model = "internlm2_5-1_8b-chat-with-a-long-name-and-a-quantisation-4bit"
    result = result_of(NUMBERS, CEVAL, model=model, latency_s=12.345)
    lines = terminal.result_table(result, CEVAL, width, unicode)
    assert_aligned(lines, width)
    if not unicode:
        assert "".join(lines).isascii()
    # long names are complete, on however many lines
    start = next(at for at, line in enumerate(lines) if line.startswith("subject"))
    assert model in "".join(line.strip() for line in lines[:start])
    label = re.escape("ideological_and_moral_cultivation") + ("思想道德修养与法律基础" if unicode else "")
    first_column = "".join(re.split(r"\s{2,}", line.strip())[0] for line in lines)
    assert re.search(label, first_column.replace(" ", ""))


@pytest.mark.parametrize("width", [36, 40, 48, 60, 72])
def test_a_narrow_table_breaks_no_word(width: int) -> None:
    """Columns that do not fit follow in another table; a name breaks only after ``_``."""
    names = ("computer_basics", "everyday_economics")
    info = make_info(subjects=dict.fromkeys(names, ("", "")), groups={})
    (result,) = results_of(counted_all(dict.fromkeys(names, "cww"), latency_s=0.25), info)
    lines = terminal.result_table(result, info, width)
    assert max(map(columns, lines)) <= width
    start = next(at for at, line in enumerate(lines) if "n" in line.split())
    words = [word for line in lines[start:] for word in line.split() if word[0].isalpha()]
    assert set(words) <= {
        *("subject", "n", "acc.", "interval", "unp.", "err.", "median", "latency", "ms"),
        *("mean", "over", "questions", "subjects", "speed:", "questions/s"),
        *("computer_", "basics", "everyday_", "economics", *names),
    }
    assert [words.count(header) for header in ("n", "acc.", "interval", "unp.", "err.", "latency")] == [1] * 6


def test_a_table_by_hand() -> None:
    numbers = {"maths": "ccwwu", "physics": "cwcw", "law": "ce", "loner": "w"}
    lines = terminal.result_table(result_of(numbers, latency_s=0.25), make_info(), 80)
    assert lines == [
        "b · m · generate, 5 shots, val",
        "                                        95%               median",
        "subject               n    acc.    interval  unp.  err.  latency",
        "stem                  9   44.4%   18.9–73.3     1     0   250 ms",
        "  maths 数学          5   40.0%   11.8–76.9     1     0   250 ms",
        "  physics 物理学      4   50.0%   15.0–85.0     0     0   250 ms",
        "other                 2  100.0%  20.7–100.0     0     1   250 ms",
        "  law 法学            2  100.0%  20.7–100.0     0     1   250 ms",
        "hard                  9   44.4%   18.9–73.3     1     0   250 ms",
        "loner                 1    0.0%    0.0–79.3     0     0   250 ms",
        "mean over questions  12   45.5%   21.3–72.0     1     1   250 ms",
        "mean over subjects        47.5%   15.6–81.5                     ",
        "unparsed answers: 1 empty (see the prompts: --llm-show-prompts)",
        "groups, mean over subjects: stem 45.0%, other 100.0%, hard 45.0%",
        "speed: 1.0 questions/s",
    ]


GRADED = make_info(metric="rouge_l", threshold=0.5)


def graded(numbers: dict[str, dict[str, float]], info: BenchmarkInfo = GRADED, model: str = "m") -> Result:
    """A result from scores by subject and question; a question's key starts with its outcome's letter."""
    entries = [
        replace(entry, score=score)
        for subject, of in numbers.items()
        for entry, score in zip(
            counted_all({subject: "".join(key[0] for key in of)}, model=model, of=info.name, latency_s=0.25),
            of.values(),
            strict=True,
        )
    ]
    (result,) = results_of(entries, info)
    return result


def test_mean_scores_of_a_graded_metric() -> None:
    result = graded({"maths": {"c": 0.75, "w": 0.25}, "law": {"c": 1.0, "u": 0.0, "c2": 0.8}})
    assert terminal.result_table(result, GRADED, 80) == [
        "b · m · generate, 5 shots, val, metric rouge_l",
        "                                     95%   mean               median",
        "subject              n   acc.   interval  score  unp.  err.  latency",
        "stem                 2  50.0%   9.5–90.5  0.500     0     0   250 ms",
        "  maths 数学         2  50.0%   9.5–90.5  0.500     0     0   250 ms",
        "other                3  66.7%  20.8–93.9  0.600     1     0   250 ms",
        "  law 法学           3  66.7%  20.8–93.9  0.600     1     0   250 ms",
        "hard                 2  50.0%   9.5–90.5  0.500     0     0   250 ms",
        "mean over questions  5  60.0%  23.1–88.2  0.560     1     0   250 ms",
        "mean over subjects      58.3%  17.3–90.4                            ",
        "mean score: 0.560 (rouge_l; threshold 0.5)",
        "unparsed answers: 1 empty (see the prompts: --llm-show-prompts)",
        "groups, mean over subjects: stem 50.0%, other 66.7%, hard 50.0%",
        "speed: 1.0 questions/s",
    ]
    assert_aligned(terminal.result_table(result, GRADED, 67)[:-3], 67)
    other = graded({"maths": {"c": 0.5, "w": 0.125}}, model="other")
    lines = terminal.models_table([result, other], GRADED, 80)
    assert row(lines, "mean score") == ["0.560", "0.312"]
    assert "score" not in "".join(terminal.models_table([result_of({"maths": "c"})] * 2, make_info(), 80))


def test_a_wide_terminal_has_full_headers_and_bars() -> None:
    result = result_of({"maths": "cccw", "law": "w"}, latency_s=3.0)
    narrow, wide = (terminal.result_table(result, make_info(), width) for width in (99, 100))
    assert not any("█" in line for line in narrow)
    assert "acc." in narrow[2] and "accuracy" in wide[2] and "unparsed" in wide[2] and "errors" in wide[2]
    bars = {line.split()[0]: line.count("█") for line in wide if "%" in line}
    full = max(
        len(line) - len(line.rstrip("█"))
        for line in terminal.result_table(result_of({"maths": "c"}), make_info(), 100)
    )
    assert full >= 10
    assert bars["maths"] == pytest.approx(full * 0.75, abs=1)
    assert bars["law"] == 0


def test_no_bars_without_an_accuracy() -> None:
    lines = terminal.result_table(result_of({"maths": "aaa"}), make_info(), 200)
    assert not any("█" in line for line in lines)


def test_the_answered_column_appears_only_if_needed() -> None:
    with_answered = terminal.result_table(result_of({"maths": "aau"}), make_info(), 80)
    assert with_answered[2].split() == [
        "subject",
        "n",
        "answ.",
        "acc.",
        "interval",
        "unp.",
        "err.",
        "latency",
    ]
    assert row(with_answered, "mean over questions")[:3] == ["3", "2", "0.0%"]
    without = terminal.result_table(result_of({"maths": "cc"}), make_info(), 80)
    assert without[2].split() == ["subject", "n", "acc.", "interval", "unp.", "err.", "latency"]


def test_missing_values_are_dashes() -> None:
    result = result_of({"maths": "aa", "law": "ee"})
    lines = terminal.result_table(result, make_info(), 80)
    assert row(lines, "mean over questions") == ["4", "2", "–", "–", "0", "2", "–"]
    assert row(lines, "mean over subjects") == ["–"]
    assert lines[-2] == "groups, mean over subjects: stem –, other –, hard –"
    assert row(terminal.result_table(result, make_info(), 80, False), "mean over questions")[2:4] == [
        "-",
        "-",
    ]


def test_the_speed_line_has_the_share_of_shared_tokens() -> None:
    def speed(seconds: float, **more: object) -> str:
        result = replace(result_of({"maths": "cw"}, **more), questions_per_s=2 / seconds)
        return terminal.result_table(result, make_info(), 120)[-1]

    tokens = {"prompt_tokens": 1000, "completion_tokens": 3, "shared_tokens": 800}
    assert (
        speed(0.5, **tokens)
        == "speed: 4.0 questions/s, 2,000 prompt tokens (80% shared), 6 completion tokens"
    )
    assert speed(8) == "speed: 4.0 s per question"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0004, "0 ms"),
        (0.0312, "31 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (12.345, "12.35 s"),
        (99.99, "99.99 s"),
        (100.4, "100 s"),
        (4000.0, "4000 s"),
    ],
)
def test_latencies_have_about_three_digits(seconds: float, shown: str) -> None:
    lines = terminal.result_table(result_of({"maths": "c"}, latency_s=seconds), make_info(), 80)
    assert next(line for line in lines if "maths" in line).endswith(f"  {shown}")


def test_shots_in_the_title() -> None:
    for shots, said in ((0, "0 shots"), (1, "1 shot"), (5, "5 shots")):
        info = make_info(shots=shots, mode="logprob", split="test")
        assert (
            terminal.result_table(result_of({"maths": "c"}, info), info, 80)[0]
            == f"b · m · logprob, {said}, test"
        )


def test_no_line_of_groups_without_groups() -> None:
    info = make_info(groups={})
    lines = terminal.result_table(result_of({"maths": "c", "law": "w"}, info), info, 80)
    assert not any("groups" in line for line in lines)
    assert any(line.startswith("maths 数学") for line in lines)


def test_many_groups_take_several_lines() -> None:
    groups = {f"group-{number}": ("maths",) for number in range(9)}
    info = make_info(groups=groups | {"x" * 150: ("maths",)})
    lines = terminal.result_table(result_of({"maths": "c"}, info), info, 60)
    start = next(at for at, line in enumerate(lines) if line.startswith("groups, mean over subjects:"))
    assert max(map(columns, lines)) <= 60
    text = " ".join(line.strip() for line in lines[start:])
    assert re.findall(r"(group-\d) 100\.0%", text) == list(groups)


def test_colours_do_not_change_the_layout() -> None:
    result = result_of(NUMBERS, CEVAL, latency_s=1.0)
    for width in WIDTHS:
        plain = terminal.result_table(result, CEVAL, width)
        assert [untagged(line) for line in terminal.result_table(result, CEVAL, width, True, tagged)] == plain
        plain = terminal.models_table([result, result], CEVAL, width)
        assert [
            untagged(line) for line in terminal.models_table([result] * 2, CEVAL, width, True, tagged)
        ] == plain


def test_unparsed_and_errors_are_coloured() -> None:
    lines = terminal.result_table(result_of({"maths": "cu", "law": "ce"}), make_info(), 80, True, tagged)
    maths, law = (next(line for line in lines if key in line) for key in ("maths", "law"))
    assert re.search(r"<yellow> *1</>", maths) and "red" not in maths
    assert re.search(r"<red> *1</>", law) and "yellow" not in law
    assert lines[0].startswith("<bold>")
    clean = terminal.result_table(result_of({"maths": "cw"}), make_info(), 80, True, tagged)
    assert not any("red" in line or "yellow" in line for line in clean)


def hostile_info() -> BenchmarkInfo:
    return make_info(
        HOSTILE,
        subjects={HOSTILE: (HOSTILE, HOSTILE), "maths": ("", "")},
        groups={HOSTILE: (HOSTILE,), "stem": ("maths",)},
        split=HOSTILE,
    )


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_names_neither_control_the_terminal_nor_break_the_table(width: int, unicode: bool) -> None:
    info = hostile_info()
    results = results_of(
        counted_all({HOSTILE: "cwu", "maths": "c"}, model=HOSTILE, of=HOSTILE)
        + counted_all({HOSTILE: "c"}, model="n" * 300, of=HOSTILE),
        info,
    )
    for lines in (
        *(terminal.result_table(result, info, width, unicode) for result in results),
        terminal.models_table(results, info, width, unicode),
    ):
        assert all(line.isprintable() for line in lines)
        assert max(map(columns, lines)) <= width
        assert "evil" in "".join(lines)
        if not unicode:
            assert "".join(lines).isascii()


@settings(max_examples=60)
@given(runs(), st.integers(60, 140), st.booleans())
def test_tables_of_any_run_are_aligned(entries: list[Record], width: int, unicode: bool) -> None:
    infos = {name: make_info(name) for name in "bc"}
    results = results_of(entries, *infos.values())
    for result in results:
        assert_aligned(terminal.result_table(result, infos[result.benchmark], width, unicode), width)
    for name, info in infos.items():
        of_one = [result for result in results if result.benchmark == name]
        if of_one:
            assert_aligned(terminal.models_table(of_one, info, width, unicode), width)


# --- models side by side ---------------------------------------------------------------------


def compared(*runs: tuple[str, dict[str, str]]) -> tuple[Result, ...]:
    return results_of(
        [entry for model, numbers in runs for entry in counted_all(numbers, model=model, latency_s=0.5)]
    )


def test_models_side_by_side_by_hand() -> None:
    results = compared(
        ("one", {"maths": "cw", "law": "cu"}),
        ("another-model", {"maths": "ccc", "loner": "ew"}),
    )
    assert terminal.models_table(results, make_info(), 80) == [
        "b · 2 models · generate, 5 shots, val",
        "subject                n     one  another-model",
        "stem                 2/3   50.0%         100.0%",
        "  maths 数学         2/3   50.0%         100.0%",
        "other                  2   50.0%              –",
        "  law 法学             2   50.0%              –",
        "hard                 2/3   50.0%         100.0%",
        "loner                  2       –           0.0%",
        "mean over questions  4/5   50.0%          75.0%",
        "mean over subjects         50.0%          50.0%",
        "unparsed                       1              0",
        "errors                         0              1",
        "median latency            500 ms         500 ms",
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_models_that_do_not_fit_go_into_another_table(width: int) -> None:
    names = [f"model-{number}" for number in range(12)]
    results = compared(*((name, {"maths": "c" * number + "w"}) for number, name in enumerate(names)))
    lines = terminal.models_table(results, make_info(), width)
    assert max(map(columns, lines)) <= width
    headers = [line.split()[2:] for line in lines if line.startswith("subject")]
    assert [name for header in headers for name in header] == names
    assert (len(headers) > 1) == (width < 160)
    accuracies = [
        cell for line in lines if line.startswith("mean over questions") for cell in line.split()[4:]
    ]
    assert accuracies == [f"{number / (number + 1):.1%}" for number in range(12)]


def test_different_numbers_of_questions_are_a_range() -> None:
    runs_ = [(f"m{number}", {"maths": "c" * number}) for number in (1, 2, 5)]
    lines = terminal.models_table(compared(*runs_), make_info(), 100)
    assert row(lines, "maths 数学")[0] == "1-5"
    lines = terminal.models_table(compared(*runs_[:2]), make_info(), 100)
    assert row(lines, "maths 数学")[0] == "1/2"


def test_the_answered_row_appears_only_if_needed() -> None:
    lines = terminal.models_table(compared(("m", {"maths": "aa"}), ("n", {"maths": "au"})), make_info(), 80)
    assert row(lines, "answered") == ["2", "1"]
    assert row(lines, "unparsed") == ["0", "1"]
    lines = terminal.models_table(compared(("m", {"maths": "c"}), ("n", {"maths": "c"})), make_info(), 80)
    assert not any("answered" in line for line in lines)

"""Gates: parsing of expressions, and evaluation against a run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.analysis.compare import compare
from pytest_llmeval.analysis.gate import GateResult, evaluate
from pytest_llmeval.analysis.gate_expressions import Gate, check_names, from_table, parse, parse_drop
from pytest_llmeval.analysis.stats import Counts, wilson
from pytest_llmeval.core.errors import UserError
from tests.support.made_comparisons import side

name_texts = st.text(st.sampled_from("abcXYZ019_-./ 注册会计师"), min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)
blanks = st.sampled_from(["", " ", "  "])
thresholds = st.decimals(0, 1, places=4)


# --- expressions ---------------------------------------------------------------------------------


@given(
    benchmark=st.none() | name_texts,
    part=st.none() | name_texts,
    value=thresholds,
    percent=st.booleans(),
    sign=st.sampled_from(["=", ">=", "=="]),
    space=blanks,
)
def test_every_valid_expression_is_parsed(
    benchmark: str | None, part: str | None, value: Decimal, percent: bool, sign: str, space: str
) -> None:
    part = part if benchmark else None
    written = f"{value * 100:f}{space}%" if percent else f"{value:f}"
    name = f"{benchmark}{space}:{space}{part}" if part else benchmark
    expr = space.join([name, sign, written]) if name else space + written + space
    gate = parse(expr)
    assert (gate.benchmark, gate.part, gate.from_config) == (benchmark, part, False)
    assert gate.threshold == Fraction(value)
    assert gate.expr == " ".join(expr.split())
    # str() of a gate is an expression for the same gate
    assert parse(str(gate)) == gate


@pytest.mark.parametrize(
    ("expr", "name", "part", "threshold", "shown"),
    [
        ("0.55", None, None, Fraction(11, 20), "55%"),
        (".5", None, None, Fraction(1, 2), "50%"),
        ("1", None, None, Fraction(1), "100%"),
        ("0", None, None, Fraction(0), "0%"),
        ("55%", None, None, Fraction(11, 20), "55%"),
        ("33.35 %", None, None, Fraction(667, 2000), "33.35%"),
        ("ceval=0.55", "ceval", None, Fraction(11, 20), "ceval=55%"),
        ("ceval>=55%", "ceval", None, Fraction(11, 20), "ceval=55%"),
        ("ceval:stem=0.4", "ceval", "stem", Fraction(2, 5), "ceval:stem=40%"),
        (" ceval : social-science >= 0.125 ", "ceval", "social-science", Fraction(1, 8), None),
        ("ceval:accountant=0.", "ceval", "accountant", Fraction(0), "ceval:accountant=0%"),
        ("my bench/v2:会计=100%", "my bench/v2", "会计", Fraction(1), "my bench/v2:会计=100%"),
    ],
)
def test_examples_of_expressions(
    expr: str, name: str | None, part: str | None, threshold: Fraction, shown: str | None
) -> None:
    gate = parse(expr)
    assert (gate.benchmark, gate.part, gate.threshold) == (name, part, threshold)
    if shown is not None:
        assert str(gate) == shown
    assert gate.where == f"--llm-fail-under={expr.strip()}"


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("", "is not an accuracy"),
        ("   ", "is not an accuracy"),
        ("ceval", "the threshold is missing; write ceval=0.55"),
        ("nan", "the threshold is missing"),
        ("ceval=", "is not an accuracy"),
        ("ceval=high", "'high' is not an accuracy"),
        ("=0.5", "the name is missing"),
        (":stem=0.5", "the name is missing"),
        ("ceval:=0.5", "the name is missing"),
        ("ceval=0.5.5", "is not an accuracy"),
        ("ceval=-0.1", "is not an accuracy"),
        ("ceval=1e-1", "is not an accuracy"),
        ("ceval=0,55", "is not an accuracy"),
        ("ceval=０.５", "is not an accuracy"),
        ("ceval=%", "is not an accuracy"),
        ("ceval=5%%", "is not an accuracy"),
        ("ceval=0.5=0.6", "not a gate"),
        ("ceval<0.5", "not a gate"),
        ("ceval=>0.5", "not a gate"),
        ("ceval>0.5", "not a gate"),
        ("55", "an accuracy is at most 1 (100%); for percent write 55%"),
        ("ceval=1.01", "an accuracy is at most 1 (100%); for percent write 1.01%"),
        ("ceval=101%", "an accuracy is at most 1 (100%)"),
        ("ceval=5500", "an accuracy is at most 1 (100%)"),
        ("ceval=0." + "5" * 40, "is not an accuracy"),
        ("ceval\n\x1b[31m=x", "is not an accuracy"),
    ],
)
def test_an_invalid_expression_is_a_one_line_error(expr: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(expr)
    line = str(caught.value)
    assert line.startswith("--llm-fail-under=")
    assert message in line
    assert line.isprintable()
    assert ("for percent" in line) == ("for percent" in message)


@given(st.text(max_size=40))
def test_any_text_is_a_gate_or_a_one_line_user_error(expr: str) -> None:
    try:
        gate = parse(expr)
    except UserError as error:
        assert str(error).isprintable()
    else:
        assert 0 <= gate.threshold <= 1


@pytest.mark.parametrize(
    ("value", "threshold"),
    [
        (0.55, Fraction(11, 20)),
        (0.1, Fraction(1, 10)),
        (1e-05, Fraction(1, 100_000)),
        (1, Fraction(1)),
        (0, Fraction(0)),
        ("40%", Fraction(2, 5)),
        ("0.4", Fraction(2, 5)),
    ],
)
def test_gates_from_a_table(value: object, threshold: Fraction) -> None:
    whole, stem = from_table({"ceval": value, " ceval : stem ": value})
    assert (whole.benchmark, whole.part, whole.threshold) == ("ceval", None, threshold)
    assert (stem.benchmark, stem.part, stem.threshold) == ("ceval", "stem", threshold)
    assert whole.from_config and stem.from_config
    assert whole.expr.startswith("ceval=")
    assert whole.where == f"[gates] {whole.expr!r}"


def test_gates_from_an_empty_table() -> None:
    assert from_table({}) == ()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ceval", True, "must be a number from 0 to 1 or a percentage, not True"),
        ("ceval", [0.5], "must be a number from 0 to 1 or a percentage, not [0.5]"),
        ("ceval", None, "must be a number"),
        ("ceval", float("nan"), "'NaN' is not an accuracy"),
        ("ceval", float("inf"), "is not an accuracy"),
        ("ceval", -0.5, "'-0.5' is not an accuracy"),
        ("ceval", 55, "for percent write 55%"),
        ("ceval", "high", "'high' is not an accuracy"),
        ("", 0.5, "the name is missing"),
        ("ceval:", 0.5, "the name is missing"),
        (":stem", 0.5, "the name is missing"),
    ],
)
def test_an_invalid_gate_in_a_table_is_a_one_line_error_with_file_and_key(
    key: str, value: object, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        from_table({key: value}, "llmeval.toml [gates]")
    line = str(caught.value)
    assert line.startswith(f"llmeval.toml [gates]: {key!r}")
    assert message in line
    assert "\n" not in line


KNOWN = {
    "ceval": (("stem", "social-science"), ("accountant", "physician")),
    "cmmlu": (("china-specific",), ("chinese_history",)),
}


@pytest.mark.parametrize("expr", ["0.5", "ceval=0.5", "ceval:stem=0.5", "ceval:accountant=0.5"])
def test_known_names_are_accepted(expr: str) -> None:
    check_names([parse(expr)], KNOWN)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (
            "cevall=0.5",
            "unknown benchmark 'cevall' in --llm-fail-under=cevall=0.5; did you mean 'ceval'?",
        ),
        (
            "ceval:acountant=0.5",
            "unknown group or subject of ceval 'acountant' in --llm-fail-under=ceval:acountant=0.5; "
            "did you mean 'accountant'?",
        ),
        (
            "ceval:social_science=0.5",
            "unknown group or subject of ceval 'social_science' in "
            "--llm-fail-under=ceval:social_science=0.5; did you mean 'social-science'?",
        ),
        # a group of another benchmark is unknown too
        (
            "ceval:china-specific=0.5",
            "unknown group or subject of ceval 'china-specific' in "
            "--llm-fail-under=ceval:china-specific=0.5; known: accountant, physician, social-science, stem",
        ),
    ],
)
def test_a_typo_suggests_the_closest_name(expr: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        check_names([parse("0.5"), parse(expr)], KNOWN)


def test_a_typo_in_the_config_file_names_the_table() -> None:
    with pytest.raises(UserError, match=r"in \[gates\] 'cevall=0.5'; did you mean 'ceval'\?$"):
        check_names(from_table({"cevall": 0.5}), KNOWN)


@pytest.mark.parametrize(
    ("key", "name", "part"),
    [
        ("lm-eval:arc_easy", "lm-eval:arc_easy", None),
        ("lm-eval:mmlu:mmlu_stem", "lm-eval:mmlu", "mmlu_stem"),
        ("lm-evaluation:stem", "lm-evaluation", "stem"),
    ],
)
def test_the_colon_of_a_task_is_part_of_its_name(key: str, name: str, part: str | None) -> None:
    (from_config,) = from_table({key: 0.5})
    for gate in (parse(f"{key}=0.5"), from_config):
        assert (gate.benchmark, gate.part) == (name, part)


# --- evaluation ----------------------------------------------------------------------------------


@dataclass
class PartResult:
    counts: Counts


@dataclass
class ModelResult:
    model: str
    benchmark: str
    subjects: dict[str, PartResult]
    groups: dict[str, PartResult] = field(default_factory=dict)
    times: int = 1

    @property
    def counts(self) -> Counts:
        return sum((part.counts for part in self.subjects.values()), Counts())


@dataclass
class BenchmarkInfo:
    subjects: Mapping[str, tuple[str, str]]
    groups: Mapping[str, tuple[str, ...]]
    total: Mapping[str, int]
    planned: int
    repeats: int = 1

    def is_called(self, name: str) -> bool:
        return False


GROUPS = {"stem": ("maths", "physics"), "other": ("law",), "hard": ("maths",)}


def about(
    planned: int = 30, total: int = 10, groups: Mapping[str, tuple[str, ...]] = GROUPS
) -> BenchmarkInfo:
    subjects = ("maths", "physics", "law")
    return BenchmarkInfo(dict.fromkeys(subjects, ("", "")), groups, dict.fromkeys(subjects, total), planned)


def right(correct: int, of: int = 10) -> Counts:
    return Counts(correct=correct, wrong=of - correct)


def result(
    maths: Counts | None = None,
    physics: Counts | None = None,
    law: Counts | None = None,
    *,
    model: str = "m",
    benchmark: str = "b",
) -> ModelResult:
    """The result of these subjects, with the groups of GROUPS."""
    counts_by_subject = {"maths": maths, "physics": physics, "law": law}
    subjects = {key: PartResult(counts) for key, counts in counts_by_subject.items() if counts is not None}
    groups = {
        name: PartResult(sum((subjects[key].counts for key in keys if key in subjects), Counts()))
        for name, keys in GROUPS.items()
        if any(key in subjects for key in keys)
    }
    return ModelResult(model, benchmark, subjects, groups)


def whole(correct: int, **names: str) -> ModelResult:
    """A complete run of 30 questions with ``correct`` correct answers per subject."""
    return result(right(correct), right(correct), right(correct), **names)


def evaluated(expr: str, *results: ModelResult, **settings: object) -> list[GateResult]:
    infos = settings.pop("infos", {"b": about()})
    return list(evaluate([parse(expr)], results, infos, **settings))  # type: ignore[arg-type]


def only(expr: str, *results: ModelResult, **settings: object) -> GateResult:
    (verdict,) = evaluated(expr, *results, **settings)
    return verdict


@pytest.mark.parametrize(
    ("expr", "verdict", "reason"),
    [
        ("b=0.5", "pass", "60.0% (18 of 30) is at least 50%"),
        ("b=0.6", "pass", "60.0% (18 of 30) is at least 60%"),
        ("b=60%", "pass", "60.0% (18 of 30) is at least 60%"),
        ("b=0.61", "fail", "60.0% (18 of 30) is below 61%"),
        ("b=0.6000001", "fail", "60.0% (18 of 30) is below 60.00001%"),
        ("0.6", "pass", "60.0% (18 of 30) is at least 60%"),
        ("0.7", "fail", "60.0% (18 of 30) is below 70%"),
        ("b:stem=0.8", "pass", "80.0% (16 of 20) is at least 80%"),
        ("b:stem=0.81", "fail", "80.0% (16 of 20) is below 81%"),
        ("b:law=0.2", "pass", "20.0% (2 of 10) is at least 20%"),
        ("b:law=0.3", "fail", "20.0% (2 of 10) is below 30%"),
        ("b:hard=0.9", "pass", "90.0% (9 of 10) is at least 90%"),
        ("b=0", "pass", "60.0% (18 of 30) is at least 0%"),
        ("b=1", "fail", "60.0% (18 of 30) is below 100%"),
    ],
)
def test_pass_or_fail(expr: str, verdict: str, reason: str) -> None:
    found = only(expr, result(right(9), right(7), right(2)))
    assert (found.verdict, found.reason) == (verdict, reason)
    assert found.failed == (verdict == "fail")
    assert (found.model, found.benchmark) == ("m", "b")
    assert found.threshold == float(parse(expr).threshold)
    assert found.part == parse(expr).part


def test_the_value_is_the_accuracy_of_the_named_part() -> None:
    run = result(right(9), right(7), right(2))
    assert only("b=0.5", run).value == 0.6
    assert only("b:stem=0.5", run).value == 0.8
    assert only("b:law=0.5", run).value == 0.2


@pytest.mark.parametrize(
    ("correct", "of", "threshold"), [(1, 3, "0.3333"), (55, 100, "0.55"), (29, 100, "29%"), (7, 10, "70%")]
)
def test_a_threshold_is_compared_exactly(correct: int, of: int, threshold: str) -> None:
    # 0.29 and 0.55 have no exact binary form; the decimal number as written is compared
    info = {"b": BenchmarkInfo({"law": ("", "")}, {}, {"law": of}, of)}
    assert only(f"b={threshold}", result(law=right(correct, of)), infos=info).verdict == "pass"
    assert only(f"b={threshold}", result(law=right(correct - 1, of)), infos=info).verdict == "fail"


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), thresholds)
def test_the_reason_never_contradicts_the_verdict(of: tuple[int, int], threshold: Decimal) -> None:
    correct, asked = of
    info = {"b": BenchmarkInfo({"law": ("", "")}, {}, {"law": asked}, asked)}
    found = only(f"b={threshold:f}", result(law=right(correct, asked)), infos=info)
    passed = Fraction(correct, asked) >= Fraction(threshold)
    assert found.verdict == ("pass" if passed else "fail")
    shown = re.fullmatch(rf"([\d.]+)% \({correct} of {asked}\) is (at least|below) ([\d.]+)%", found.reason)
    assert shown is not None
    assert (Fraction(shown[1]) >= Fraction(shown[3])) == passed == (shown[2] == "at least")
    assert Fraction(shown[3]) == Fraction(threshold) * 100


@pytest.mark.parametrize(
    ("correct", "of", "threshold", "shown"),
    [
        (5, 16, "0.3125", "31.25% (5 of 16) is at least 31.25%"),
        (5503, 10_000, "0.5502", "55.03% (5503 of 10000) is at least 55.02%"),
        (54_999, 100_000, "0.55", "54.999% (54999 of 100000) is below 55%"),
    ],
)
def test_a_reason_has_enough_digits(correct: int, of: int, threshold: str, shown: str) -> None:
    info = {"b": BenchmarkInfo({"law": ("", "")}, {}, {"law": of}, of)}
    assert only(f"b={threshold}", result(law=right(correct, of)), infos=info).reason == shown


def test_unparsed_counts_against_a_gate() -> None:
    run = result(Counts(correct=5, unparsed=5), right(5), right(5))
    assert only("b:maths=0.5", run).verdict == "pass"
    assert only("b:maths=0.51", run).verdict == "fail"


def test_a_run_that_ended_early_is_incomplete() -> None:
    found = only("b=0.1", whole(10), complete=False)
    assert (found.verdict, found.reason) == ("incomplete", "the run ended early")
    assert found.failed
    assert found.value == 1.0
    assert only("b=0.1", whole(10), complete=False, partial=True).verdict == "incomplete"


@pytest.mark.parametrize("expr", ["0.5", "b=0.5", "b:stem=0.5"])
@pytest.mark.parametrize("partial", [False, True])
def test_an_empty_run_fails_its_gates_with_a_reason(expr: str, partial: bool) -> None:
    for models in ((), ("m",)):
        found = only(expr, infos={}, models=models, partial=partial)
        assert (found.verdict, found.failed, found.value) == ("incomplete", True, None)
        assert found.reason in ("no question was asked", "no question of b was asked")


def test_an_unselected_benchmark_fails_a_gate_of_the_command_line() -> None:
    infos = {"b": about(), "c": about(planned=0)}
    found = only("c=0.5", whole(9), infos=infos)
    assert (found.verdict, found.reason, found.failed) == ("incomplete", "no question of c was asked", True)


def test_a_gate_of_the_config_file_ignores_unselected_benchmarks() -> None:
    gates = from_table({"c": 0.5, "c:stem": 0.5, "b": 0.5})
    first, second, third = evaluate(gates, [whole(9)], {"b": about(), "c": about(planned=0)})
    for found in (first, second):
        assert (found.verdict, found.failed, found.reason) == ("not_run", False, "c was not selected")
        assert found.value is None
    assert third.verdict == "pass"


def test_a_gate_of_the_config_file_applies_to_selected_benchmarks_that_were_not_asked() -> None:
    (found,) = evaluate(from_table({"c": 0.5}), [whole(9)], {"b": about(), "c": about()})
    assert (found.verdict, found.failed) == ("incomplete", True)


def test_a_partial_selection_is_incomplete_and_names_the_option() -> None:
    run = result(right(9), right(4, of=4))
    found = only("b=0.5", run)
    assert found.verdict == "incomplete"
    assert found.reason == "14 of 30 questions were asked (--llm-gate-partial evaluates a part)"
    assert only("b:stem=0.5", run).reason.startswith("14 of 20 questions were asked")
    assert only("b:law=0.5", run).reason == "no question of b:law was asked"
    # maths is complete
    assert only("b:maths=0.5", run).verdict == "pass"
    assert only("b:hard=0.5", run).verdict == "pass"


def test_partial_evaluates_the_selected_questions() -> None:
    run = result(right(9), right(4, of=4))
    assert only("b=0.9", run, partial=True).reason == "92.9% (13 of 14) is at least 90%"
    assert only("b=0.95", run, partial=True).verdict == "fail"
    assert only("b:law=0.1", run, partial=True).verdict == "incomplete"
    (found,) = evaluate(from_table({"b:law": 0.1}), [run], {"b": about()}, partial=True)
    assert (found.verdict, found.failed, found.reason) == ("not_run", False, "b:law was not selected")


def test_surplus_questions_of_one_subject_do_not_replace_those_of_another() -> None:
    run = result(right(20, of=20), right(1, of=1), right(9, of=9))
    assert only("b=0.5", run).verdict == "incomplete"


def test_subjects_without_data_make_it_incomplete() -> None:
    info = dataclasses.replace(about(), total={"maths": 10, "physics": 10})
    run = result(right(9), right(9))
    found = only("b=0.5", run, infos={"b": info})
    assert found.verdict == "incomplete"
    assert found.reason == "no data for 1 of 3 subjects (law) (--llm-gate-partial evaluates a part)"
    assert only("b:stem=0.5", run, infos={"b": info}).verdict == "pass"
    assert only("b=0.5", run, infos={"b": info}, partial=True).verdict == "pass"


def test_only_the_first_of_many_subjects_without_data_are_named() -> None:
    keys = [f"s{number}" for number in range(9)]
    info = BenchmarkInfo(dict.fromkeys(keys, ("", "")), {}, {"s0": 1}, 1)
    run = ModelResult("m", "b", {"s0": PartResult(right(1, 1))})
    assert "no data for 8 of 9 subjects (s1, s2, s3, ...)" in only("b=0.5", run, infos={"b": info}).reason


def test_errors_make_a_run_incomplete_unless_allowed() -> None:
    run = result(Counts(correct=7, wrong=1, error=2), right(9), right(9))
    found = only("b=0.5", run)
    assert (found.verdict, found.reason) == ("incomplete", "2 of 30 questions ended in an error")
    assert only("b=0.5", run, allow_errors=1).verdict == "incomplete"
    allowed = only("b=0.8", run, allow_errors=2)
    assert (allowed.verdict, allowed.reason) == ("pass", "89.3% (25 of 28) is at least 80%")
    # partial allows missing questions, not errors
    assert only("b=0.5", run, partial=True).verdict == "incomplete"
    # parts without errors can be evaluated
    assert only("b:law=0.5", run).verdict == "pass"
    assert only("b:maths=0.5", run).verdict == "incomplete"


def test_errors_are_allowed_per_run() -> None:
    one_error = Counts(correct=9, error=1)
    runs = [result(one_error, right(9), right(9), model=name) for name in ("m", "n")]
    assert [v.verdict for v in evaluated("b=0.5", *runs, allow_errors=1)] == ["incomplete", "incomplete"]
    assert [v.verdict for v in evaluated("b=0.5", *runs, allow_errors=2)] == ["pass", "pass"]


def test_a_run_of_allowed_errors_only_has_no_accuracy() -> None:
    run = result(Counts(error=10), Counts(error=10), Counts(error=10))
    found = only("b=0", run, allow_errors=99)
    assert (found.verdict, found.reason) == ("incomplete", "every question ended in an error")
    assert found.value is None


def test_all_problems_are_named() -> None:
    run = result(Counts(correct=1, error=1))
    reason = only("b=0.5", run, complete=False).reason
    assert reason == (
        "the run ended early; 2 of 30 questions were asked (--llm-gate-partial evaluates a part); "
        "1 of 2 questions ended in an error"
    )


def test_without_gold_answers_a_gate_cannot_pass() -> None:
    run = result(Counts(answered=10), Counts(answered=9, unparsed=1, unscored=1), Counts(answered=10))
    found = only("b=0", run)
    assert (found.verdict, found.reason) == ("incomplete", "no question has a gold answer")
    assert found.failed
    assert found.value is None


def test_each_model_must_pass() -> None:
    good, bad = whole(9, model="good"), whole(3, model="bad")
    found = evaluated("b=0.5", good, bad)
    assert [(v.model, v.verdict) for v in found] == [("good", "pass"), ("bad", "fail")]
    assert [v.value for v in found] == [0.9, 0.3]


def test_a_model_that_answered_nothing_fails() -> None:
    found = evaluated("b=0.5", whole(9, model="good"), models=("good", "silent"))
    assert [(v.model, v.verdict) for v in found] == [("good", "pass"), ("silent", "incomplete")]
    # also with partial, since it has no other benchmark
    found = evaluated("0.5", whole(9, model="good"), models=("good", "silent"), partial=True)
    assert [(v.model, v.verdict) for v in found] == [("good", "pass"), ("silent", "incomplete")]


def test_a_bare_value_applies_to_each_benchmark_that_ran() -> None:
    infos = {"b": about(), "c": about(), "unused": about(planned=0)}
    found = evaluated("0.5", whole(9), whole(3, benchmark="c"), infos=infos)
    assert [(v.benchmark, v.verdict) for v in found] == [("b", "pass"), ("c", "fail")]


def test_a_bare_value_and_a_benchmark_that_one_model_did_not_run() -> None:
    infos = {"b": about(), "c": about()}
    runs = [whole(9), whole(9, benchmark="c"), whole(9, model="n")]
    found = {(v.model, v.benchmark): v.verdict for v in evaluated("0.5", *runs, infos=infos)}
    assert found == {("m", "b"): "pass", ("m", "c"): "pass", ("n", "b"): "pass", ("n", "c"): "incomplete"}
    # with a selection by -k that leaves n only b, only b counts
    found = {(v.model, v.benchmark): v.verdict for v in evaluated("0.5", *runs, infos=infos, partial=True)}
    assert found == {("m", "b"): "pass", ("m", "c"): "pass", ("n", "b"): "pass"}


def test_results_are_in_the_order_of_the_gates() -> None:
    gates = [parse("b=0.95"), *from_table({"b:stem": 0.5})]
    found = evaluate(gates, [whole(9)], {"b": about()})
    assert [(v.expr, v.verdict) for v in found] == [("b=0.95", "fail"), ("b:stem=0.5", "pass")]
    assert evaluate([], [whole(9)], {"b": about()}) == ()


@pytest.mark.parametrize(
    ("verdict", "failed"),
    [("pass", False), ("fail", True), ("inconclusive", False), ("incomplete", True), ("not_run", False)],
)
def test_verdicts_that_fail_a_run(verdict: str, failed: bool) -> None:
    assert GateResult("0.5", verdict, None, 0.5, "").failed is failed  # type: ignore[arg-type]


def test_gates_are_equal_whatever_their_notation() -> None:
    assert parse("ceval=55%") == parse("ceval >= 0.55")
    assert parse("ceval=55%") != Gate("", "ceval", None, Fraction(1, 2))


# --- the lower end of an interval ------------------------------------------------------------------


@dataclass
class HalfEffective(ModelResult):
    """A result with half as many effective questions."""

    @property
    def effective(self) -> tuple[float, float]:
        return self.counts.correct / 2, self.counts.scored / 2


@pytest.mark.parametrize(
    ("expr", "level", "shown"),
    [
        ("ceval>=0.55@95%", Fraction(19, 20), "ceval=55%@95%"),
        ("0.55@0.99", Fraction(99, 100), "55%@99%"),
        ("ceval:stem = 40% @ 50%", Fraction(1, 2), "ceval:stem=40%@50%"),
    ],
)
def test_examples_of_levels(expr: str, level: Fraction, shown: str) -> None:
    gate = parse(expr)
    assert (gate.level, str(gate), gate.drop) == (level, shown, False)
    assert parse(shown) == gate
    (from_config,) = from_table({"ceval": "0.55@95%"})
    assert (from_config.level, from_config.threshold) == (Fraction(19, 20), Fraction(11, 20))


@pytest.mark.parametrize(
    "expr", ["0.5@", "0.5@x", "0.5@100%", "0.5@49%", "0.5@1", "0.5@5", "0.5@95%@95%", "0.5@-1"]
)
def test_an_invalid_level_is_a_one_line_error(expr: str) -> None:
    with pytest.raises(UserError, match=r"^--llm-fail-under=.*"):
        parse(expr)


def test_the_lower_end_must_reach_the_threshold() -> None:
    run = HalfEffective("m", "b", {"law": PartResult(right(180, 200))})
    info = {"b": BenchmarkInfo({"law": ("", "")}, {}, {"law": 200}, 200)}
    low, high = wilson(90, 100)
    found = only("b>=0.82@95%", run, infos=info)
    assert (found.verdict, found.value, found.interval) == ("pass", low, (low, high))
    assert found.reason == "82.6%, the lower end of the 95% interval of 90.0% (180 of 200), is at least 82%"
    assert only("b>=0.83@95%", run, infos=info).verdict == "fail"
    assert only("b>=0.83@95%", run, infos=info).failed
    # the accuracy itself does not depend on clusters, and a lower level is easier to reach
    assert only("b>=0.9", run, infos=info).verdict == "pass"
    assert only("b>=0.83@80%", run, infos=info).verdict == "pass"
    assert only("b>=0.5@95%", run, infos=info, complete=False).verdict == "incomplete"


# --- against a baseline ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "name", "part", "margin"),
    [
        ("0.02", None, None, Fraction(1, 50)),
        ("2%", None, None, Fraction(1, 50)),
        ("0", None, None, Fraction(0)),
        ("ceval=0.02", "ceval", None, Fraction(1, 50)),
        ("ceval:stem=5%", "ceval", "stem", Fraction(1, 20)),
    ],
)
def test_examples_of_drops(expr: str, name: str | None, part: str | None, margin: Fraction) -> None:
    gate = parse_drop(expr)
    assert (gate.benchmark, gate.part, gate.threshold, gate.drop) == (name, part, margin, True)
    assert gate.where == f"--llm-max-drop={expr}" and gate.label == f"max-drop {expr}"


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("", "is not a drop; write 0.02"),
        ("-0.02", "is not a drop"),
        ("ceval", "the threshold is missing; write ceval=0.02"),
        ("2", "a drop is at most 1 (100%); for percent write 2%"),
        ("0.02@95%", "is not a drop"),
        ("=0.02", "the name is missing; write 0.02"),
    ],
)
def test_an_invalid_drop_is_a_one_line_error(expr: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_drop(expr)
    assert str(caught.value).startswith("--llm-max-drop=") and message in str(caught.value)


def against_baseline(
    expr: str, before: dict[str, str], after: dict[str, str], **settings: object
) -> GateResult:
    """The result of a drop gate for two runs, each given as a letter per question by subject."""
    comparison = compare("b", side(before), side(after), GROUPS)
    counts = {
        key: Counts(letters.count("c"), letters.count("w"), error=letters.count("e"))
        for key, letters in after.items()
    }
    run = result(**counts)
    infos = {"b": about(total=len(after["maths"]))}
    (verdict,) = evaluate(
        [parse_drop(expr)],
        [run],
        infos,
        comparisons={("m", "b"): comparison},
        **settings,  # type: ignore[arg-type]
    )
    return verdict


ALL = {"maths": "c" * 60, "physics": "c" * 60, "law": "c" * 60}


def test_a_drop_is_evaluated_by_its_interval() -> None:
    same = against_baseline("0.03", ALL, ALL)
    assert (same.verdict, same.value, same.threshold) == ("pass", 0.0, 0.03)
    assert same.interval is not None and same.interval[0] > -0.03
    worse = {**ALL, "law": "w" * 60}
    assert against_baseline("0.03", ALL, worse).verdict == "fail"
    assert against_baseline("b:law=0.5", ALL, worse).verdict == "fail"
    assert against_baseline("b:stem=0.04", ALL, worse).verdict == "pass"
    unsure = against_baseline("0.01", ALL, ALL)
    assert (unsure.verdict, unsure.failed, unsure.needed) == ("inconclusive", False, 381)
    assert against_baseline("0.01", ALL, ALL, strict=True).failed
    assert not against_baseline("0.03", ALL, ALL, strict=True).failed


def test_a_drop_of_an_incomplete_run_is_incomplete() -> None:
    assert against_baseline("0.03", ALL, ALL, complete=False).verdict == "incomplete"
    broken = {**ALL, "law": "e" + "c" * 59}
    assert against_baseline("0.03", ALL, broken).reason == "1 of 180 questions ended in an error"
    assert against_baseline("0.03", ALL, broken).value is None
    assert against_baseline("0.04", ALL, broken, allow_errors=1).verdict == "pass"
    assert against_baseline("0.03", broken, ALL).reason == "1 questions ended in an error in the baseline"
    assert against_baseline("b:stem=0.04", broken, ALL).verdict == "pass"
    assert against_baseline("0.04", broken, ALL, allow_errors=1).verdict == "pass"
    few = {**ALL, "law": "c" * 50}
    assert against_baseline("0.03", few, ALL).reason == (
        "10 questions are not in the baseline (--llm-gate-partial evaluates the others)"
    )
    assert against_baseline("0.03", few, ALL, partial=True).verdict == "pass"
    none = {"maths": "", "physics": "", "law": ""}
    assert (
        against_baseline("0.03", none, ALL, partial=True).reason
        == "no question has an answer in the baseline"
    )


def test_a_benchmark_missing_from_the_baseline_is_incomplete() -> None:
    (verdict,) = evaluate([parse_drop("0.02")], [whole(9)], {"b": about()})
    assert (verdict.verdict, verdict.reason) == ("incomplete", "the baseline has no question of b")
    (verdict,) = evaluate([parse_drop("c=0.02", from_config=True)], [whole(9)], {"b": about()})
    assert (verdict.verdict, verdict.failed) == ("not_run", False)


def test_every_repeat_must_have_been_asked() -> None:
    twice_asked = {"b": dataclasses.replace(about(), repeats=2)}
    assert only("b=0.1", whole(9), infos=twice_asked).reason.startswith("15 of 30 questions were asked")
    twice = result(*(Counts(correct=9, wrong=11),) * 3)
    assert only("b=0.45", twice, infos=twice_asked).verdict == "pass"

"""Shuffled and rotated choices: what is asked, what is recorded, what counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.types import Question
from pytest_llmeval.suites.choice_order import Ordering, original, presented, rotations, shuffled
from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

#: "one": knows that the right text is always `one`, wherever it stands; "sure-one-A" falls for place A in
#: questions with a 1 in them; "lost": no answer where `two` stands first; "scorer" likes `three`
CONFTEST = """
from pytest_llmeval import Completion, run_batches

def label(text, wanted):
    lines = text.split("Answer:")[-2].splitlines()
    return next(line[0] for line in lines if line[1:] == ". " + wanted)

def answer(kind, request):
    text = request.prompt.messages[-1].content if not request.choices else request.prompt.text
    common = dict(prompt_tokens=10, completion_tokens=1, latency_s=0.5, finish_reason="stop")
    if request.choices:
        best = label(text, "three")
        return Completion(scores={key: -1.0 if key == best else -2.0 for key in request.choices}, **common)
    if kind == "one":
        return Completion(text=label(text, "one"), **common)
    if kind == "biased":
        return Completion(text="A" if "question 1" in text else label(text, "one"), **common)
    if kind == "lost" and label(text, "two") == "A":
        return Completion(error="no answer today")
    return Completion(text="I cannot say" if label(text, "three") == "A" else label(text, "one"), **common)

class Knowing:
    window = 16
    def __init__(self, kind): self.kind = kind
    def check(self): pass
    def identity(self): return "knowing"
    def store_key(self, digest): return "knowing " + self.kind
    def run(self, jobs):
        run_batches(jobs, lambda batch: [job.finish(answer(self.kind, job.request)) for job in batch], 16)

def pytest_llmeval_make_model(config, cache_dir):
    return Knowing(config.target) if config.backend == "knowing" else None
"""
LABELS = st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=10, unique=True)


@pytest.fixture
def knowing(pytester: pytest.Pytester, tiny: Path) -> pytest.Pytester:
    """The right answer of question n is the nth text; models that know `one` are right about question 0."""
    pytester.makeconftest(CONFTEST)
    tables = "".join(
        f'[models.{kind}]\nbackend = "knowing"\npath = "{kind}"\n'
        for kind in ("one", "biased", "lost", "silent")
    )
    (pytester.path / "llmeval.toml").write_text(f'cache_dir = "cache"\n{tables}')
    return pytester


def question(texts: Mapping[str, str], answer: str | None = None, key: str = "0") -> Question:
    return Question("b", "s", key, {"question": "?", **texts}, texts, answer)


@given(LABELS, st.integers(0, 9), st.integers(0, 2**40))
def test_every_choice_stands_once_at_every_place_and_answers_come_back(
    labels: list[str], gold: int, seed: int
) -> None:
    texts = {label: f"text {place}" for place, label in enumerate(labels)}
    asked = question(texts, labels[gold % len(labels)])
    orders = Ordering(circular=True, seed=seed).orders(asked)
    assert len(orders) == len(labels)
    assert all(sorted(column) == sorted(labels) for column in zip(*orders, strict=True))
    for order in orders:
        now = presented(asked, order)
        back = original(asked, order)
        assert now.answer is not None and back[now.answer] == asked.answer
        for label in labels:
            assert now.choices[label] == asked.choices[back[label]] == now.fields[label]
        assert now.id == asked.id and now.fields["question"] == "?"


def test_a_seed_gives_each_question_its_own_order_and_all_orders_alike() -> None:
    found = Counter(shuffled(("A", "B", "C"), 1, f"b/s/{n}") for n in range(6000))
    assert len(found) == 6 and min(found.values()) > 900
    assert found != Counter(shuffled(("A", "B", "C"), 2, f"b/s/{n}") for n in range(6000))
    # fixed for ever, or runs of two versions would not be comparable
    assert shuffled(("A", "B", "C", "D"), 7, "ceval/accountant/0") == ("B", "D", "A", "C")


def test_the_protocol_changes_with_the_orders_and_only_with_them() -> None:
    orderings = [Ordering(), Ordering(True), Ordering(seed=0), Ordering(seed=1), Ordering(True, 1)]
    assert len({ordering.prompt_hash("abc") for ordering in orderings}) == 5
    assert orderings[0].prompt_hash("abc") == "abc"
    assert rotations(("A", "B", "C")) == (("A", "B", "C"), ("B", "C", "A"), ("C", "A", "B"))


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_circular_run(knowing: pytest.Pytester, xdist: str) -> None:
    done = knowing.runpytest(
        "--llm-model=one", "--llm-model=biased", "--llm-benchmark=tiny", "--llm-circular", xdist
    )
    assert done.ret == 0
    done.stdout.fnmatch_lines(
        [
            "*tiny*one*generate, 1 shot, val, circular*",
            "circular: correct in all orders 25.0%, in the first order 25.0%,",
            "  mean over orders 25.0%",
            "accuracy by rotation: 1. 25.0%, 2. 25.0%, 3. 25.0%, 4. 25.0%",
            "answers by position: 1. 25.0%, 2. 25.0%, 3. 25.0%, 4. 25.0%",
        ]
    )
    sure, biased = results(knowing)["results"]
    # counts are of questions
    assert sure["counts"]["requested"] == 8 and sure["counts"]["correct"] == 2
    assert sure["circular"] == {
        "plain_accuracy": 0.25,
        "mean_accuracy": 0.25,
        "accuracies": [0.25] * 4,
        "places": [0.25] * 4,
    }
    assert sure["subjects"]["birds"]["plain_accuracy"] == 0.25
    assert sure["tokens"]["prompt"] == 8 * 4 * 10 and sure["latency_s"]["mean"] == 0.5
    # question 1 (right: two) is answered A everywhere: right in the order that shows `two` there
    assert biased["circular"]["plain_accuracy"] == 0.25
    assert biased["circular"]["mean_accuracy"] == (1 + 0.25) / 4
    assert biased["circular"]["accuracies"] == [0.25, 0.5, 0.25, 0.25]
    assert biased["circular"]["places"] == [(3 / 4 * 0.25) + 0.25] + [3 / 16] * 3
    lines = questions(knowing)
    assert len(lines) == 16
    (line,) = [one for one in lines if (one["id"], one["model"]) == ("tiny/birds/0", "one")]
    assert line["outcome"] == "correct" and line["answer"] == line["target"] == "A"
    assert ["".join(one["order"]) for one in line["rotations"]] == ["ABCD", "BCDA", "CDAB", "DABC"]
    assert [one["text"] for one in line["rotations"]] == ["A", "D", "C", "B"]
    assert [one["answer"] for one in line["rotations"]] == ["A"] * 4
    assert "A. two\nB. three\nC. four\nD. one\n" in line["rotations"][1]["prompt"]
    # the example before the question keeps its order
    assert line["rotations"][1]["prompt"].index("A. one") < line["rotations"][1]["prompt"].index("A. two")
    (line,) = [one for one in lines if (one["id"], one["model"]) == ("tiny/birds/1", "biased")]
    assert line["outcome"] == "wrong" and [one["outcome"] for one in line["rotations"]] == [
        "wrong",
        "correct",
        "wrong",
        "wrong",
    ]
    page = (knowing.path / "reports/latest/report.html").read_text("utf-8")
    assert "in each rotation of its choices" in page and "<dt>by rotation</dt>" in page
    summary = (knowing.path / "reports/latest/summary.md").read_text("utf-8")
    assert "circular: correct in all orders of the choices 25.0%" in summary
    assert "accuracy by rotation: 1. 25.0%, 2. 50.0%, 3. 25.0%, 4. 25.0%" in summary


@pytest.mark.parametrize("size", [2, 3, 10])
@pytest.mark.parametrize("mode", ["generate", "logprob"])
def test_two_to_ten_choices_with_settings_from_the_file(
    knowing: pytest.Pytester, size: int, mode: str
) -> None:
    """Rows with and without a gold answer, and a gate."""
    labels = "ABCDEFGHIJ"[:size]
    folder = knowing.path / "many"
    folder.mkdir()
    texts = ["one", "three", *(f"text {n}" for n in range(8))][:size]
    rows = [f"question 0?,{','.join(texts)},A", f"question 2?,{','.join(reversed(texts))},{labels[-1]}"]
    rows.append(f"question 3?,{','.join(texts)},")
    (folder / "test.csv").write_text(f"question,{','.join(labels)},answer\n" + "\n".join(rows) + "\n")
    (folder / "benchmark.toml").write_text(
        f'name = "many"\n[data]\nchoices = {json.dumps(list(labels))}\nunanswered_splits = ["test"]\n'
    )
    with (knowing.path / "llmeval.toml").open("r+") as file:
        settings = file.read()
        file.seek(0)
        file.write(f'circular = true\nshuffle_choices = 5\nmode = "{mode}"\nfail_under = ["0.9"]\n{settings}')
    done = knowing.runpytest("--llm-model=one", "--llm-benchmark=many")
    (result,) = results(knowing)["results"]
    right = mode == "generate"  # the model writes the letter of `one`, and scores that of `three` the best
    assert done.ret == (0 if right else 1)
    assert result["counts"] == {
        **{"requested": 3, "answered": 1, "unparsed": 0, "error": 0},
        **{"correct": 2 * right, "wrong": 2 * (not right)},
    }
    assert len(result["circular"]["accuracies"]) == size
    assert result["circular"]["places"] == pytest.approx([1 / size] * size)
    assert results(knowing)["gates"][0]["verdict"] == ("pass" if right else "fail")
    for line in questions(knowing):
        assert len(line["rotations"]) == size
        assert len({tuple(one["order"]) for one in line["rotations"]}) == size
        assert len({one["answer"] for one in line["rotations"]}) == 1
        if line["id"].endswith("/2"):
            assert line["outcome"] == "answered" and line["target"] is None


def test_a_test_that_reads_the_text_itself_is_told_what_was_shown(knowing: pytest.Pytester) -> None:
    knowing.makepyfile(
        """
        import pytest
        @pytest.mark.llmeval("tiny")
        def test_own(question, llm):
            shown = llm.shown(question)
            assert shown.choices[shown.answer] == question.choices[question.answer]
            assert llm.complete(question).text == shown.answer
        """
    )
    assert knowing.runpytest("--llm-model=one", "--llm-circular").ret == 0
    (result,) = results(knowing)["results"]
    assert (result["counts"]["correct"], result["counts"]["wrong"]) == (2, 6)
    assert result["circular"]["accuracies"] == [0.25] * 4


def test_unread_and_failed_orders(knowing: pytest.Pytester) -> None:
    knowing.runpytest("--llm-model=silent", "--llm-benchmark=tiny", "--llm-circular")
    counts = results(knowing)["results"][0]["counts"]
    # unread in one order: question 0 is right in all others, the other questions are wrong in some
    assert (counts["correct"], counts["wrong"], counts["unparsed"]) == (0, 6, 2)
    done = knowing.runpytest("--llm-model=lost", "--llm-benchmark=tiny", "--llm-circular")
    assert done.ret == 1
    (result,) = results(knowing)["results"]
    assert result["counts"]["error"] == 8 and result["circular"]["plain_accuracy"] is None
    assert results(knowing)["run"]["complete"] is False
    done.stdout.fnmatch_lines(["*8 *no answer today*"])


def test_scores_are_in_the_files_letters(knowing: pytest.Pytester) -> None:
    args = ("--llm-model=one", "--llm-benchmark=tiny", "--llm-mode=logprob", "--llm-run-name=first")
    assert knowing.runpytest(*args, "--llm-circular", "--llm-shuffle-choices=3").ret == 0
    first = results(knowing)["results"][0]
    assert first["accuracy"] == first["circular"]["plain_accuracy"] == 0.25
    assert first["shuffle_choices"] == 3
    for line in questions(knowing):
        assert line["answer"] == "C" and len(line["rotations"]) == 4
        assert all(max(one["scores"], key=one["scores"].get) == "C" for one in line["rotations"])
    before = questions(knowing)
    assert knowing.runpytest("--llm-replay=first", "--llm-benchmark=tiny").ret == 0
    again = results(knowing)["results"][0]
    for name in ("counts", "accuracy", "circular", "shuffle_choices", "prompt_sha256"):
        assert again[name] == first[name], name
    assert [one["scores"] for line in questions(knowing) for one in line["rotations"]] == [
        one["scores"] for line in before for one in line["rotations"]
    ]


def test_a_replay_reads_texts_in_the_order_in_which_they_were_written(knowing: pytest.Pytester) -> None:
    args = ("--llm-model=biased", "--llm-benchmark=tiny", "--llm-run-name=first")
    knowing.runpytest(*args, "--llm-circular", "--llm-shuffle-choices=3", "--llm-repeats=2")
    first, before = results(knowing)["results"][0], questions(knowing)
    assert first["counts"]["requested"] == 16 and first["repeats"]["times"] == 2
    assert [line.get("repeat", 0) for line in before[:2]] == [0, 1]
    assert knowing.runpytest("--llm-replay=first", "--llm-benchmark=tiny").ret == 0
    again = results(knowing)["results"][0]
    for name in ("counts", "accuracy", "circular", "repeats"):
        assert again[name] == first[name], name
    for line, was in zip(questions(knowing), before, strict=True):
        assert [one["answer"] for one in line["rotations"]] == [one["answer"] for one in was["rotations"]]


def test_shuffled_once(knowing: pytest.Pytester) -> None:
    assert knowing.runpytest("--llm-model=one", "--llm-benchmark=tiny", "--llm-shuffle-choices=1").ret == 0
    lines = questions(knowing)
    assert all(line["answer"] == "A" and "rotations" not in line for line in lines)
    assert len({tuple(line["order"]) for line in lines}) > 3
    assert results(knowing)["results"][0]["circular"] is None


def test_the_first_order_is_shared_with_a_plain_run_by_the_store(knowing: pytest.Pytester) -> None:
    knowing.runpytest("--llm-model=one", "--llm-benchmark=tiny")
    knowing.runpytest("--llm-model=one", "--llm-benchmark=tiny", "--llm-circular")
    assert all(
        [one["cached"] for one in line["rotations"]] == [True, False, False, False]
        for line in questions(knowing)
    )
    knowing.runpytest("--llm-model=one", "--llm-benchmark=tiny", "--llm-circular")
    assert results(knowing)["results"][0]["cached"] == 8


def test_runs_of_other_orders_are_not_compared(knowing: pytest.Pytester) -> None:
    args = ("--llm-model=one", "--llm-benchmark=tiny")
    knowing.runpytest(*args, "--llm-run-name=plain")
    done = knowing.runpytest(*args, "--llm-circular", "--llm-baseline=plain")
    assert done.ret == 4
    assert "circular evaluation now only (--llm-baseline-force" in "".join(done.errlines + done.outlines)
    done = knowing.runpytest(*args, "--llm-shuffle-choices=2", "--llm-baseline=plain")
    assert done.ret == 4
    assert "choices in the file's order then, shuffled with seed 2 now (" in "".join(
        done.errlines + done.outlines
    )
    knowing.runpytest(*args, "--llm-circular", "--llm-run-name=round")
    done = knowing.runpytest(*args, "--llm-circular", "--llm-baseline=round")
    assert done.ret == 0 and results(knowing)["comparisons"][0]["pairs"] == 8


def test_the_prompts_of_all_orders_are_shown(knowing: pytest.Pytester) -> None:
    done = knowing.runpytest(
        "--llm-benchmark=tiny", "--llm-circular", "--llm-show-prompts", "-k", "[birds-0]"
    )
    done.stdout.fnmatch_lines(["--- choices in the order B C D A", "4 prompts; nothing was sent"])


def test_strict_says_what_happened_in_each_order(knowing: pytest.Pytester) -> None:
    done = knowing.runpytest(
        "--llm-model=biased", "--llm-benchmark=tiny", "--llm-circular", "--llm-strict", "-k", "[birds-1]"
    )
    done.stdout.fnmatch_lines(["*in the order B C D A: B correct", "*in the order C D A B: C wrong"])


def test_open_questions_have_no_order(pytester: pytest.Pytester) -> None:
    (pytester.path / "benchmark.toml").write_text('name = "open"\n[data]\nchoices = []\n')
    (pytester.path / "test.csv").write_text("question,answer\n1+1?,2\n")
    for option in ("--llm-circular", "--llm-shuffle-choices=0"):
        done = pytester.runpytest("--llm-model=echo", "--llm-benchmark=.", option)
        assert done.ret == 4
        (line,) = [line for line in (done.errlines + done.outlines) if line.startswith("ERROR")]
        assert f"open: it has no choices to reorder; leave out {option.split('=')[0]}" in line


def test_the_rerun_command_keeps_the_orders(knowing: pytest.Pytester) -> None:
    from pytest_llmeval.results.rerun import Rerun

    head = Rerun({"circular": True, "shuffle_choices": "7"}).head("tiny", "one")
    assert head == "pytest --llm-circular --llm-shuffle-choices=7 --llm-refresh"


def test_choices_in_file_order_are_not_reordered(pytester: pytest.Pytester) -> None:
    """AGIEval's prompts have the list of options as the file has it."""
    row = {"passage": None, "question": "?", "options": ["(A)x", "(B)y"], "label": "A"}
    folder = pytester.mkdir("agieval")
    (folder / "aqua-rat.jsonl").write_text(json.dumps(row))
    run = ["--llm-model=echo", "--llm-benchmark=agieval", f"--llm-data-dir={pytester.path}"]
    for option in ("--llm-circular", "--llm-shuffle-choices=1"):
        result = pytester.runpytest(*run, option)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "its prompts have the choices as the file has them" in "".join(result.errlines)

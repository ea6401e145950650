"""A user's own questions, from whole runs of pytest: files, folders, metrics, plugins."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.catalog import load
from tests.support.tiny_benchmark import questions, results
from tests.support.workers import WORKERS

try:  # here, for pytester forgets what is imported under it, and numpy cannot be imported twice
    import pyarrow
    from pyarrow import parquet
except ImportError:
    parquet = None

ECHO = ("--llm-model=echo", "--llm-cache-dir=cache")
PARROT = ("--llm-model=parrot", "--llm-cache-dir=cache")


def write(path: Path, content: str) -> None:
    path.write_text(content, "utf-8")


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_file_with_the_usual_columns(pytester: pytest.Pytester, xdist: str) -> None:
    write(pytester.path / "q.csv", "subject,question,A,B,answer\nx,one?,a,b,A\ny,two?,a,b,B\ny,,a,b,B\n")
    done = pytester.runpytest(*ECHO, "--llm-benchmark=q.csv", xdist)
    assert done.ret == 1
    assert {one["id"]: one["outcome"] for one in questions(pytester)} == {
        "q/x/0": "correct", "q/y/1": "wrong", "q/y/2": "error",
    }  # fmt: skip
    assert "line 4: the question is empty" in done.stdout.str()


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_broken_line_is_one_question_s_error(pytester: pytest.Pytester, xdist: str) -> None:
    rows = [{"question": "one?", "A": "a", "B": "b", "answer": "A", "subject": "x"}] * 4
    lines = [json.dumps(row) for row in rows]
    write(pytester.path / "q.jsonl", "\n".join(['{"question": "torn', *lines[:2], "[1, 2]", *lines[2:]]))
    done = pytester.runpytest(*ECHO, "--llm-benchmark=q.jsonl", xdist)
    assert done.ret == 1
    done.stdout.fnmatch_lines_random(
        ["1 × *q.jsonl, line 1: not JSON: *", "1 × *q.jsonl, line 4: a row must be*"]
    )
    assert [(one["id"], one["outcome"]) for one in questions(pytester)] == [
        ("q/q/0", "error"), ("q/x/1", "correct"), ("q/x/2", "correct"),
        ("q/q/3", "error"), ("q/x/4", "correct"), ("q/x/5", "correct"),
    ]  # fmt: skip
    assert results(pytester)["run"]["complete"] is False
    counts = results(pytester)["results"][0]["counts"]
    assert (counts["requested"], counts["correct"], counts["error"]) == (6, 4, 2)
    done = pytester.runpytest(*ECHO, "--llm-benchmark=q.jsonl", xdist, "--llm-allow-errors=2")
    assert done.ret == 0


def test_a_file_that_is_no_jsonl_is_a_usage_error(pytester: pytest.Pytester) -> None:
    write(pytester.path / "q.jsonl", "question,answer\none?,a\ntwo?,b\n")
    done = pytester.runpytest(*ECHO, "--llm-benchmark=q.jsonl")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*q.jsonl, line 1: not JSON: *; in a JSONL file each line is an object"])


@pytest.mark.parametrize(("gold", "metric"), [("$1,200", "number"), ("Paris", "exact")])
def test_the_gold_answers_tell_the_metric(pytester: pytest.Pytester, gold: str, metric: str) -> None:
    write(pytester.path / "q.jsonl", json.dumps({"question": "how?", "answer": gold}) + "\n")
    pytester.runpytest(*ECHO, "--llm-benchmark=q.jsonl")
    assert results(pytester)["results"][0]["metric"] == metric


def test_messages_are_asked_as_they_are(pytester: pytest.Pytester) -> None:
    turns = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "1+1?"}]
    rows = [{"messages": turns, "target": "2"}, {"messages": turns[:1], "target": "2"}]
    write(pytester.path / "m.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    pytester.runpytest(*ECHO, "--llm-benchmark=m.jsonl")
    first, second = questions(pytester)
    assert first["prompt"] == "[system]\nBe brief\n\n[user]\n1+1?"
    assert "the last turn must be the user's" in second["error"]


@pytest.mark.parametrize(
    ("row", "prompt", "gold"),
    [
        ({"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "a"}]},
         "[user]\nQ", "a"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Q"}]}], "ideal": "a"},
         "[user]\nQ", "a"),
        ({"input": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}],
          "ideal": ["a", "b"]},
         "[system]\nS\n\n[user]\nQ", '["a", "b"]'),
        ({"prompt": [{"role": "user", "content": "Q"}], "answer": "a"}, "[user]\nQ", "a"),
    ],
)  # fmt: skip
def test_turns_are_never_sent_as_json(
    pytester: pytest.Pytester, row: dict[str, object], prompt: str, gold: str
) -> None:
    write(pytester.path / "m.jsonl", json.dumps(row) + "\n")
    pytester.runpytest(*ECHO, "--llm-benchmark=m.jsonl")
    (asked,) = questions(pytester)
    assert (asked["prompt"], asked["target"]) == (prompt, gold)


@pytest.mark.parametrize("xdist", WORKERS)
def test_how_a_file_was_read_is_said_once(pytester: pytest.Pytester, xdist: str) -> None:
    rows = [{"ctx": f"c{n}", "endings": ["x", "y"], "label": "0", "ind": n, "source": "s"} for n in range(12)]
    write(pytester.path / "h.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    done = pytester.runpytest(*ECHO, "--llm-benchmark=h.jsonl", xdist)
    assert done.ret == 0
    assert [line for line in done.outlines if line.startswith("llmeval: h: ")] == [
        "llmeval: h: whole numbers in 'label' are positions of choices, from 0",
        "llmeval: h: every gold answer is A, so a preference for this label scores well; "
        "--llm-shuffle-choices=SEED asks in other orders",
        "llmeval: h: columns not used: ind, source",
    ]


def test_positions_that_may_mean_two_things_are_a_usage_error(pytester: pytest.Pytester) -> None:
    rows = [{"question": "Q", "choices": ["x", "y", "z"], "answer": number} for number in (1, 2)]
    write(pytester.path / "q.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    done = pytester.runpytest(*ECHO, "--llm-benchmark=q.jsonl")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(
        ["*q.jsonl: 'answer': the whole numbers (1 to 2) may count*answer_index = 0, or 1*"]
    )
    write(pytester.path / "benchmark.toml", "[data]\nanswer_index = 1\n")
    assert pytester.runpytest(*ECHO, "--llm-benchmark=q.jsonl").ret == 0
    assert [question["target"] for question in questions(pytester)] == ["A", "B"]


def test_a_passage_is_asked_in_both_modes(pytester: pytest.Pytester) -> None:
    write(pytester.path / "p.csv", "Passage,Question,a,b,Answer\nAnn has a hat.,Who has it?,Bob,Ann,B\n")
    for mode in ("generate", "logprob"):
        done = pytester.runpytest(*ECHO, "--llm-benchmark=p.csv", "--llm-show-prompts", f"--llm-mode={mode}")
        assert "Ann has a hat.\n\nWho has it?\nA. Bob\nB. Ann\nAnswer:" in done.stdout.str()


def test_true_and_false_are_asked_for(pytester: pytest.Pytester) -> None:
    path = pytester.path / "facts.jsonl"
    path.write_text(
        '{"question": "Is the sky blue?", "answer": true}\n{"question": "Is grass red?", "answer": false}\n'
    )
    done = pytester.runpytest("--llm-model=echo", f"--llm-benchmark={path}", "--llm-show-prompts")
    done.stdout.fnmatch_lines(["Is the sky blue?", "Answer true or false, without an explanation."])


def test_nan_is_a_missing_cell(pytester: pytest.Pytester) -> None:
    rows = ['{"question": "2+2?", "answer": 4.0}', '{"question": "5+5?", "answer": NaN}']
    write(pytester.path / "n.jsonl", "\n".join(rows))
    done = pytester.runpytest(*ECHO, "--llm-benchmark=n.jsonl")
    assert "line 2: the answer is missing" in done.stdout.str()
    assert results(pytester)["results"][0]["metric"] == "number"
    assert questions(pytester)[0]["target"] == "4"


def test_parquet(pytester: pytest.Pytester) -> None:
    if parquet is None:
        pytest.skip("needs pyarrow")
    columns = {"question": ["one?"], "A": ["a"], "B": ["b"], "answer": ["A"]}
    parquet.write_table(pyarrow.table(columns), pytester.path / "q.parquet")
    assert pytester.runpytest(*ECHO, "--llm-benchmark=q.parquet").ret == 0
    assert questions(pytester)[0]["outcome"] == "correct"
    columns = {
        "question": ["one?", "two?"],
        "choices": [["x", "y"], ["x", "y", "z"]],
        "answer": [1.0, math.nan],
    }
    parquet.write_table(pyarrow.table(columns), pytester.path / "lists.parquet")
    done = pytester.runpytest(*ECHO, "--llm-benchmark=lists.parquet", "--llm-show-prompts")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    columns["answer"] = [0.0, math.nan]
    parquet.write_table(pyarrow.table(columns), pytester.path / "lists.parquet")
    done = pytester.runpytest(*ECHO, "--llm-benchmark=lists.parquet")
    assert [question["outcome"] for question in questions(pytester)] == ["correct", "error"]
    done.stdout.fnmatch_lines_random(["*lists.parquet, line 2: the answer is missing*"])
    write(pytester.path / "broken.parquet", "no")
    done = pytester.runpytest(*ECHO, "--llm-benchmark=broken.parquet")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*broken.parquet: not a readable parquet file*"])


def test_a_misspelled_column(pytester: pytest.Pytester) -> None:
    write(pytester.path / "q.csv", "quesiton,answer\none?,a\n")
    done = pytester.runpytest(*ECHO, "--llm-benchmark=q.csv")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*no column 'question'*is 'quesiton' meant as 'question'?*"])


@pytest.mark.parametrize(
    ("toml", "file", "rows", "prompt", "metric", "first"),
    [
        ("[data]\nquestion = 'q'", "q.csv", "q,answer\none?,a\n", "one?\nAnswer with", "exact", "a"),
        ("[data]\nquestion = 'q'", "q.csv", "q,A,B,answer\none?,x,y,B\n", "one?\nA. x\nB. y", "choice", "B"),
        ("[data]\nanswer = 'sum'", "data.csv", "question,sum\none?,3\n", "one?", "number", "3"),
        ("[data]\nchoices = ['A', 'B']", "q.csv", "question,A,B,label\none?,x,y,0\none?,x,y,1\n",
         "one?\nA. x", "choice", "A"),
        ("[data]\nchoice_list = 'x'", "q.jsonl", '{"question": "one?", "x": ["p", "q"], "answer": "q"}\n',
         "one?\nA. p", "choice", "B"),
        ("[data]\nchoices = []", "q.csv", "question,A,B,answer\none?,x,y,B\n",
         "one?\nAnswer with", "exact", "B"),
        ("extractor = 'number'", "q.csv", "question,answer\none?,3\n", "one?", "number", "3"),
        ("metric = 'contains'", "test.jsonl", '{"question": "one?", "answer": "a"}\n',
         "one?", "contains", "a"),
        ("[data]\nanswer_pattern = '#(.*)'", "q.csv", "question,answer\none?,so #3\n", "one?", "number", "3"),
        ("[data]\nheader = ['question', 'answer']", "q.csv", "one?,3\n", "one?", "number", "3"),
        ("[data]\npaths = '{subject}.csv'\n[subjects.x]\n[subjects.y]\n", "x.csv",
         "question,answer\none?,3\n", "one?", "number", "3"),
        ("[prompts.generate]\nsystem = 'Brief'", "q.csv", "question,answer\none?,a\n",
         "[system]\nBrief\n\n[user]\none?\nAnswer with", "exact", "a"),
        ("[data]\nrows = 'my.list'", "q.json", '{"my": {"list": [{"question": "one?", "answer": "3"}]}}',
         "one?", "number", "3"),
        ("[data.aliases]\nquestion = ['frage', 'q']", "q.csv", "q,answer\none?,3\n", "one?", "number", "3"),
        ("[data]\nlabels = ['A', 'B']", "q.csv", "question,gold\none? A x B y,B\n",
         "one? A x B y\nAnswer:", "choice", "B"),
        ("[data]\nanswer = 'gold.text'", "q.jsonl", '{"question": "one?", "gold": {"text": "3"}}\n',
         "one?", "number", "3"),
        ("[data.where]\nkind = 'sum'", "q.csv", "question,answer,kind\nwho?,a,word\none?,3,sum\n",
         "one?", "number", "3"),
        ("[data.where]\n'of.kind' = 'sum'", "q.jsonl",
         '{"question": "who?", "answer": "a", "of": {"kind": "word"}}\n'
         '{"question": "one?", "answer": "3", "of": {"kind": "sum"}}\n', "one?", "number", "3"),
        ("metric = 'ifeval'", "q.jsonl",
         '{"prompt": "one?", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}\n',
         "one?", "ifeval", ""),
    ],
)  # fmt: skip
def test_a_benchmark_toml_says_some_keys_and_the_file_the_others(
    pytester: pytest.Pytester, toml: str, file: str, rows: str, prompt: str, metric: str, first: str
) -> None:
    (pytester.path / "mine").mkdir()
    write(pytester.path / "mine/benchmark.toml", toml)
    write(pytester.path / "mine" / file, rows)
    pytester.runpytest(*ECHO, "--llm-benchmark=mine", "--llm-shots=0")
    asked = questions(pytester)[0]
    assert asked["prompt"].removeprefix("[user]\n").startswith(prompt)
    assert (results(pytester)["results"][0]["metric"], asked["target"]) == (metric, first)


def test_a_variant_is_inferred_from_its_own_keys(pytester: pytest.Pytester) -> None:
    toml = "[data]\nquestion = 'q'\n[variants.sums]\ndata.paths = 'sums.csv'\n"
    wide = "[variants.wide]\nmetric = 'contains'\ndata.where = {kind = 'b'}\n"
    write(pytester.path / "benchmark.toml", toml + wide)
    write(pytester.path / "data.csv", "q,answer,kind\none?,a,b\n")
    write(pytester.path / "sums.csv", "q,answer\ntwo?,31\n")
    metrics = [load(pytester.path, variant=name).metric.name for name in (None, "sums", "wide")]
    assert metrics == ["exact", "number", "contains"]
    assert load(pytester.path / "data.csv", variant="wide").metric.name == "contains"
    write(pytester.path / "benchmark.toml", f"{toml}[variants.x.data]\nanswer_pattern = '('\n")
    with pytest.raises(UserError, match=r"benchmark.toml \[variants.x\] \[data\]: answer_pattern"):
        load(pytester.path / "data.csv")


def test_ids_and_subjects_are_found_beside_a_named_column(pytester: pytest.Pytester) -> None:
    write(
        pytester.path / "benchmark.toml", "name = 'mine'\n[data]\nquestion = 'q'\n[subjects.x]\nname = 'X'\n"
    )
    write(pytester.path / "q.csv", "q,answer,id,subject\none?,a,k1,x\ntwo?,b,k2,x\n")
    pytester.runpytest(*ECHO, "--llm-benchmark=.", "--llm-shots=0")
    assert [asked["id"] for asked in questions(pytester)] == ["mine/x/k1", "mine/x/k2"]


def test_a_changed_file_is_read_again(pytester: pytest.Pytester) -> None:
    write(pytester.path / "benchmark.toml", "[data]\nquestion = 'q'\n")
    write(pytester.path / "q.csv", "q,answer\none?,a\n")
    assert load(pytester.path).metric.name == "exact"
    write(pytester.path / "q.csv", "q,answer\none?,31\n")
    assert load(pytester.path).metric.name == "number"


@pytest.mark.parametrize(("toml", "labels"), [
    ("metric = 'number'", ()), ("metric = 'choice'", ("A", "B", "C", "D")), ("", ("A", "B", "C", "D")),
])  # fmt: skip
def test_choices_of_files_elsewhere_follow_from_the_metric(
    pytester: pytest.Pytester, toml: str, labels: tuple[str, ...]
) -> None:
    write(pytester.path / "benchmark.toml", f"{toml}\n[data.hub]\nrepo = 'a/b'\nfile = 'c.zip'\n")
    assert load(pytester.path).data.choices == labels


def test_graded_scores_are_averaged(pytester: pytest.Pytester) -> None:
    if find_spec("rouge_score") is None:
        pytest.skip("needs rouge-score")
    write(pytester.path / "conftest.py", BACKEND)
    write(
        pytester.path / "benchmark.toml",
        "name = 'sums'\n[metric]\nname = 'rouge_l'\nthreshold = 0.6\n[data]\npaths = ['q.csv']\n"
        "[prompts.generate]\nuser = '{{ question }}'\n",
    )
    write(pytester.path / "q.csv", "question,answer\nthe cat sat,the cat sat\nthe cat sat,the dog ran\n")
    write(pytester.path / "llmeval.toml", "[models.parrot]\nbackend = 'parrot'\n")
    done = pytester.runpytest(*PARROT, "--llm-benchmark=.")
    result = results(pytester)["results"][0]
    assert result["mean_score"] == pytest.approx((1 + 1 / 3) / 2)
    assert (result["threshold"], result["counts"]["correct"], result["counts"]["wrong"]) == (0.6, 1, 1)
    assert [one["score"] for one in questions(pytester)] == pytest.approx([1, 1 / 3])
    done.stdout.fnmatch_lines(["mean score: 0.667 (rouge_l; threshold 0.6)"])


BACKEND = """
from pytest_llmeval import Completion, Metric, run_batches

class Parrot:
    window = 8
    def check(self): pass
    def identity(self): return "parrot"
    def run(self, jobs):
        run_batches(jobs, self.answer, 8)
    def answer(self, batch):
        for job in batch:
            job.finish(Completion(text=job.request.prompt.question[-1].content, finish_reason="stop"))

def pytest_llmeval_make_model(config, cache_dir):
    return Parrot() if config.backend == "parrot" else None

def pytest_llmeval_metrics():
    return {"backwards": Metric(lambda options, where: lambda a, q: float(a[::-1] == q.answer), "first_word")}

def pytest_llmeval_extractors():
    return {"first_word": lambda text, choices: text.split()[0] if text.split() else None}

def pytest_llmeval_find_benchmark(name, start):
    return start / "shelf" / name[6:] if name.startswith("shelf:") else None
"""


def test_a_plugin_adds_one_of_each(pytester: pytest.Pytester) -> None:
    write(pytester.path / "conftest.py", BACKEND)
    write(pytester.path / "llmeval.toml", "[models.parrot]\nbackend = 'parrot'\n")
    (pytester.path / "shelf/words").mkdir(parents=True)
    toml = "metric = 'backwards'\n[data]\npaths = ['q.csv']\n[prompts.generate]\nuser = '{{ question }}'\n"
    write(pytester.path / "shelf/words/benchmark.toml", toml)
    write(pytester.path / "shelf/words/q.csv", "question,answer\nabc def,cba\nabc,abc\n")
    done = pytester.runpytest(*PARROT, "--llm-benchmark=shelf:words")
    assert done.ret == 0, done.stdout.str()
    assert [one["outcome"] for one in questions(pytester)] == ["correct", "wrong"]
    assert [one["answer"] for one in questions(pytester)] == ["abc", "abc"]


def test_two_metrics_of_one_name(pytester: pytest.Pytester) -> None:
    write(pytester.path / "conftest.py", "def pytest_llmeval_metrics(): return {'exact': None}\n")
    done = pytester.runpytest(*ECHO, "--llm-benchmark=mini")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*two metrics are called 'exact'*"])

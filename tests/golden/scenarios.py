"""The scenarios: what is run, and with which questions. All questions here are written for this purpose."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from work import Work, wait_until

ECHO = ("--llm-model=echo",)
MINI = ("--llm-benchmark=mini",)


class Skipped(Exception):
    """This scenario cannot be run on this machine."""


def as_csv(columns: str, rows: Iterable[Iterable[object]]) -> str:
    """The text of a CSV file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns.split(","))
    writer.writerows(rows)
    return out.getvalue()


def as_jsonl(rows: Iterable[Mapping[str, object]]) -> str:
    """The text of a JSON lines file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def say(question: str, answer: str) -> str:
    """A question to which the fake server gives this answer."""
    return f"{question} SAY<{answer}>"


# --- local weights ----------------------------------------------------------------------------------------


def smollm2(work: Work) -> None:
    """The embedded model: texts, choice scores, each kind of lm-evaluation-harness task, and read again."""
    model = ("--llm-model=smollm2",)
    subjects = (
        "[basic_physics- or [world_geography- or [world_history- or [food_and_cooking-"  # one of a group
    )
    few = (*model, *MINI, "--llm-limit=2", "--llm-shots=1", "-k", subjects)
    write_tasks(work)
    work.pytest("generate", *few, "--llm-max-tokens=8")
    work.pytest("logprob", *few, "--llm-mode=logprob")
    tasks = [f"--llm-benchmark=lm-eval:{name}" for name in KINDS]
    work.pytest("lm_eval", *model, *tasks, *TASKS_PATH, "--llm-limit=3")
    work.pytest(
        "circular",
        *(*model, *MINI, "--llm-limit=1", "-k", "[basic_physics- or [world_history-", "--llm-shots=0"),
        *("--llm-mode=logprob", "--llm-circular"),
    )
    work.pytest("lm_eval_again", *model, *tasks, *TASKS_PATH, "--llm-limit=3", "-n2")
    work.pytest("lm_eval_replay", "--llm-replay=lm_eval", *tasks, *TASKS_PATH)
    work.pytest("logprob_replay", "--llm-replay=logprob", *MINI)


# --- C-Eval -----------------------------------------------------------------------------------------------


def ceval(work: Work) -> None:
    """Real data, where this machine has it: two subjects, all of them, and a split without answers."""
    if not (work.data / "ceval/formal_ceval").is_dir():
        raise Skipped("no C-Eval data here (--data-dir or LLMEVAL_TEST_DATA)")
    base = (*ECHO, "--llm-benchmark=ceval", f"--llm-data-dir={work.data}")
    two = ("-k", "[accountant- or [logic-", "--llm-limit=5")
    work.pytest("two_subjects", *base, *two, "-n0")
    work.pytest("two_subjects_xdist", *base, *two, "-n2")
    work.pytest("whole_xdist", *base, "--llm-limit=1", "-n2")
    work.pytest("logprob", *base, *two, "--llm-mode=logprob")
    work.pytest("test_split", *base, "-k", "[logic-", "--llm-limit=3", "--llm-split=test")
    api = (*work.api_model(), *base[1:])
    work.pytest("api_random", *api, *two, "--llm-seed=3")


# --- models behind an API ---------------------------------------------------------------------------------


def models(work: Work) -> None:
    """Two models in one run, as options and from llmeval.toml, with the outputs that depend on them."""
    tables = f"""
[models.chat]
backend = "openai"
model = "m"
base_url = "{work.api.url}"
concurrency = 3
[models.base]
backend = "openai"
model = "m"
api = "completions"
base_url = "{work.api.url}"
[runs.both]
models = ["chat", "echo"]
benchmarks = ["mini"]
limit = 2
shots = 1
"""
    work.write("llmeval.toml", f'{tables}[gates]\n"mini" = 0.01\n"mini:stem" = 0.9\n')
    work.pytest("gates_of_file", "--llm-run=both")
    work.pytest("partial_gates", "--llm-run=both", "--llm-gate-partial", "--llm-badge", "--llm-plot")
    work.write("llmeval.toml", tables)
    work.pytest("both", *ECHO, *work.api_model(), *MINI, "--llm-limit=2")
    work.pytest("both_xdist", *ECHO, *work.api_model(), *MINI, "--llm-limit=2", "--llm-no-cache", "-n2")
    work.pytest("named_run", "--llm-run=both")
    few = (*MINI, "--llm-limit=1", "--llm-shots=1")
    work.pytest("logprob", "--llm-model=chat", *few, "--llm-mode=logprob")
    work.pytest("plain_text", "--llm-model=base", *few)
    work.pytest("plain_text_logprob", "--llm-model=base", *few, "--llm-mode=logprob")
    work.pytest("stream", "--llm-model=chat", *few, "--llm-stream", "--llm-refresh")
    work.pytest(
        "other_settings", "--llm-model=chat", *few, "--llm-stop=X", "--llm-top-p=0.5", "--llm-context=200"
    )
    work.pytest("from_store", "--llm-model=chat", *few)


_WORDS = ("one", "two", "three")


def repeats(work: Work) -> None:
    """Repeats (the server's answers depend on the seed), rotations and shuffled choices."""
    api = (*work.api_model(), *MINI, "--llm-shots=1", "--llm-limit=2")
    drawn = ("--llm-temperature=0.7", "--llm-sampling-seed=5")
    work.pytest("repeats", *api, "--llm-repeats=3", *drawn)
    work.pytest("repeats_more", *api, "--llm-repeats=4", *drawn)
    work.pytest("circular", *api, "--llm-circular")
    work.pytest("shuffled", *api, "--llm-shuffle-choices=7")
    both = ("--llm-circular", "--llm-repeats=2", *drawn)
    work.pytest("circular_repeats_xdist", *api, *both, "-n2")
    work.pytest("circular_repeats_shuffled", *api, *both, "--llm-shuffle-choices=7")
    rows = [(f"Which one is {word}? PICK<{word}>", *_WORDS, "ABC"[at % 3]) for at, word in enumerate(_WORDS)]
    work.write("picks.csv", as_csv("question,A,B,C,answer", [*rows, ("Which? PICK<four>", *_WORDS, "A")]))
    work.pytest("circular_known", *work.api_model(), "--llm-benchmark=picks.csv", "--llm-circular")
    work.pytest("repeats_replay", "--llm-replay=repeats", *MINI)
    work.pytest("circular_replay", "--llm-replay=circular_repeats_xdist", *MINI, "-n2")
    work.pytest("circular_echo", *ECHO, *MINI, "--llm-circular", "--llm-limit=1", "--llm-mode=logprob")
    work.pytest("repeats_strict", *api, "--llm-repeats=3", *drawn, "--llm-strict")


def errors(work: Work) -> None:
    """Requests that fail: some for good, some at first; wrong answers as failures; JUnit."""
    api = (*work.api_model(), *MINI, "--llm-limit=4", "--llm-shots=0", "--llm-retries=1")
    work.api.fail_share = 6
    work.pytest("some_fail", *api)
    failed = work.picture.content["some_fail"]["run"]["results.json"]["results"][0]["counts"]["error"]
    work.pytest("allowed", *api, f"--llm-allow-errors={failed}")
    work.pytest("one_too_many", *api, f"--llm-allow-errors={failed - 1}", "--llm-fail-under=0.01")
    work.pytest("some_fail_xdist", *api, "--llm-no-cache", "-n2")
    work.pytest("circular_some_fail", *api, "--llm-circular")
    work.api.fail_share = 0
    work.pytest("mended", *api)
    work.pytest("strict", *api, "--llm-strict", f"--junitxml={work.folder}/strict.xml")
    work.picture.content["strict"]["junit"] = work.picture.junit(work.folder / "strict.xml", "strict")
    work.pytest("strict_first", *api, "--llm-strict", "-x")
    work.pytest("first_is_no_failure", *api, "-x")
    work.pytest("not_strict", *api, "-n2", f"--junitxml={work.folder}/plain.xml")
    work.picture.content["not_strict"]["junit"] = work.picture.junit(work.folder / "plain.xml", "not_strict")
    rows = [
        ("1", "FAIL<500> one?", "A"),
        ("2", "FLAKY two?", "A"),
        ("3", "FAIL<400> three?", "A"),
        ("4", "four?", "B"),
        ("5", "FLAKY five?", "C"),
    ]
    work.write(
        "rough.csv",
        as_csv("id,question,A,B,C,D,answer", [(id, text, *"wxyz", gold) for id, text, gold in rows]),
    )
    rough = (*work.api_model(), "--llm-benchmark=rough.csv", "--llm-retries=2", "--llm-concurrency=1")
    work.pytest("retries", *rough)
    work.pytest("no_answer_at_all", *rough, "-k", "[rough-1]")


# --- own questions ----------------------------------------------------------------------------------------

_METRIC = """
{options}
[data]
paths = ["q.{kind}"]
format = "{kind}"
{data}
[prompts.generate]
user = "{{{{ question }}}}"
"""


def _metric_folder(
    work: Work, name: str, options: str, rows: list[tuple[str, str, Any]], data: str = ""
) -> str:
    """A benchmark of questions, what the server says to each, and its gold answer."""
    content = as_jsonl({"question": say(ask, told), "answer": gold} for ask, told, gold in rows)
    work.write(f"{name}/q.jsonl", content)
    text = _METRIC.format(options=options, kind="jsonl", data=data or "choices = []")
    work.write(f"{name}/benchmark.toml", f'name = "{name}"\n{text}')
    return f"--llm-benchmark={name}"


def own_questions(work: Work) -> None:
    """Files and folders of a user's own questions, and every metric that needs no other model."""
    choices = [
        ("a1", "birds", say("Which one flies?", "A"), "a sparrow", "a stone", "a spoon", "A"),
        ("a2", "birds", say("Which one swims?", "The answer is (C)."), "a wall", "a chair", "a duck", "B"),
        ("a3", "tools", say("Which one cuts?", "no idea"), "a knife", "a pillow", "a cloud", "A"),
        ("a4", "tools", say("Which one digs?", "答案：B"), "a lamp", "a spade", "a sock", "B"),
        ("a5", "tools", say("Which one has no answer?", "A"), "x", "y", "z", ""),
        ("a6", "tools", "", "x", "y", "z", "A"),
        ("a7", "tools", say("Which label is none?", "A"), "x", "y", "z", "F"),
    ]
    work.write("choices.csv", as_csv("id,subject,question,A,B,C,answer", choices))
    sums = [
        ("1+1", "#### 2", "2"),
        ("20*61", "It is 1,220.", "1220"),
        ("1/2", "50%", "0.5"),
        ("2+2", "five", "4"),
    ]
    work.write("sums.csv", as_csv("question,answer", [(say(ask, told), gold) for ask, told, gold in sums]))
    system = {"role": "system", "content": "Be brief."}
    turns = [
        {
            "messages": [system, {"role": "user", "content": say("Capital of Peru?", "Lima.")}],
            "target": "Lima",
        },
        {
            "messages": [
                {"role": "user", "content": "Capital of Chile?"},
                {"role": "assistant", "content": "Santiago"},
                {"role": "user", "content": say("And of Cuba?", "Madrid")},
            ],
            "target": "Havana",
        },
        {"messages": [system], "target": "nothing is asked"},
    ]
    work.write("turns.jsonl", as_jsonl(turns) + '{"messages": torn\n')
    folders = [
        _metric_folder(
            work,
            "exact",
            'metric = "exact"',
            [("q1", " paris. ", "Paris"), ("q2", "Rome or so", "Rome"), ("q3", "b", '["a", "b"]')],
        ),
        _metric_folder(
            work,
            "exact_pattern",
            "[metric]\nname = 'exact'\nignore_case = false\npattern = 'is (\\w+)'",
            [("q1", "it is Ada", "Ada"), ("q2", "it is ada", "Ada"), ("q3", "Ada", "Ada")],
        ),
        _metric_folder(
            work,
            "regex",
            'metric = {name = "regex", ignore_case = true}',
            [("q1", "In the year 1969.", "19[67]9"), ("q2", "ABC", "^a.c$"), ("q3", "never", "[0-9]")],
        ),
        _metric_folder(
            work,
            "contains",
            'metric = "contains"',
            [("q1", "It was Marie Curie.", "Curie"), ("q2", "carpet", "car"), ("q3", "b!", '["a", "b"]')],
        ),
        _metric_folder(
            work,
            "json",
            'metric = "json"',
            [
                ("q1", '```json\n{"a": [1, 2.0]}\n```', '{"a": [1, 2]}'),
                ("q2", '{"a": 1}', '{"a": 2}'),
                ("q3", "not json", "[]"),
            ],
        ),
        _metric_folder(
            work,
            "rouge",
            "[metric]\nname = 'rouge_l'\nthreshold = 0.3\nstemmer = true",
            [("q1", "the cat sat on the mat", "a cat sat on a mat"), ("q2", "dogs", "birds fly")],
        ),
        _metric_folder(
            work,
            "bleu",
            'metric = "bleu"',
            [("q1", "the cat sat on the mat today", "the cat sat on the mat"), ("q2", "x", "y z")],
        ),
        _metric_folder(
            work,
            "number",
            "metric = {name = 'number', tolerance = 0.01}",
            [("q1", "3.14", "3.141"), ("q2", "12 or 15", "12")],
        ),
    ]
    work.write(
        "own/benchmark.toml",
        """
name = "own"
title = "Own"
split = "val"
splits = ["val", "test"]
shots = 2
shots_split = "dev"
[data]
paths = ["{subject}_{split}.csv"]
cluster = "passage"
unanswered_splits = ["test"]
[prompts.generate]
user = "{{ question }}\\nA. {{ A }}\\nB. {{ B }}\\nC. {{ C }}\\nD. {{ D }}\\nAnswer:"
assistant = "{{ answer }}"
[prompts.logprob]
question = "{{ question }}"
answer = " {{ answer }}"
choice = " {{ label }}"
[subjects]
rivers = { name = "Rivers", zh = "河流", groups = ["nature"] }
towns = { name = "Towns", zh = "城市", groups = ["people"] }
""",
    )
    for subject in ("rivers", "towns"):
        for split, count in (("dev", 3), ("val", 6), ("test", 4)):
            rows = [
                (
                    n,
                    f"p{n // 2}",
                    f"{subject} {split} {n}?",
                    *(f"{subject}{n}{end}" for end in "wxyz"),
                    "ABCD"[n % 4],
                )
                for n in range(count)
            ]
            columns = "id,passage,question,A,B,C,D,answer"
            if split == "test":
                rows, columns = [row[:-1] for row in rows], columns.removesuffix(",answer")
            work.write(f"own/{subject}_{split}.csv", as_csv(columns, rows))
    files = [f"--llm-benchmark={name}" for name in ("choices.csv", "sums.csv", "turns.jsonl")]
    api = work.api_model()
    work.pytest("metrics", *api, *files, *folders)
    work.pytest("metrics_xdist", *api, *files, *folders, "--llm-no-cache", "-n2")
    work.pytest(
        "clusters",
        *api,
        "--llm-benchmark=own",
        "--llm-fail-under=own>=0.3@95%",
        "--llm-fail-under=own:nature=0.1",
    )
    work.pytest("no_answers", *api, *ECHO, "--llm-benchmark=own", "--llm-split=test", "--llm-shots=0")
    work.pytest("scored", *api, "--llm-benchmark=own", "--llm-mode=logprob")
    work.pytest("metrics_replay", "--llm-replay=metrics", *files, *folders)
    work.write(
        "exact/benchmark.toml",
        'name = "exact"\n' + _METRIC.format(options='metric = "contains"', kind="jsonl", data="choices = []"),
    )
    work.pytest("other_metric_replay", "--llm-replay=metrics", "--llm-benchmark=exact")
    work.pytest("new_benchmark", "--llm-new-benchmark=mine", named=False)
    work.picture.content["new_benchmark"]["written"] = sorted(
        str(path.relative_to(work.folder)) for path in (work.folder / "mine").rglob("*") if path.is_file()
    )
    work.pytest("new_benchmark_run", *ECHO, "--llm-benchmark=mine")


def own_tests(work: Work) -> None:
    """Tests that use the fixtures, and a plugin's hooks."""
    tests = {
        "own": """
def test_generate(llm):
    assert llm.generate("SAY<hello>").text == "hello"


def test_choose(llm):
    assert llm.choose("The sky is", [" blue", " green"]) == " blue"


def test_without_model():
    assert True


@pytest.mark.llmeval("mini")
def test_mini(question, llm):
    assert llm.answer(question) == question.answer
""",
        "by_hand": """
@pytest.mark.llmeval("mini")
def test_by_hand(question, llm):
    text = llm.complete(question).text
    assert text.strip().endswith(llm.shown(question).answer)
""",
        "score": """
@pytest.mark.llmeval("mini")
def test_score(question, llm):
    assert llm.score(question) >= 1
    assert llm.correct(question)
""",
        "broken": """
@pytest.mark.llmeval("mini")
def test_broken(question, llm):
    assert llm.answer(question)
    raise RuntimeError("a mistake in the test")
""",
    }
    for name, text in tests.items():
        work.write(f"test_{name}.py", f"import pytest\n\n{text}")
    work.write(
        "conftest.py",
        """
from pytest_llmeval.metrics import Metric


def make(options, where):
    return lambda answer, question: min(1.0, len(answer) / 20)


def pytest_llmeval_metrics():
    return {"length": Metric(make, extractor="first_line")}


def pytest_llmeval_extractors():
    return {"first_line": lambda text, choices: text.split("\\n")[0] or None}


def pytest_llmeval_find_benchmark(name, start):
    return start / "shelf" / name[6:] if name.startswith("shelf:") else None
""",
    )
    rows = [("one?", "short", "x"), ("two?", "a longer one\nand more", "y"), ("three?", "\nno", "z")]
    _metric_folder(work, "shelf/mine", 'metric = "length"', rows)
    work.write(
        "shelf/mine/benchmark.toml",
        (work.folder / "shelf/mine/benchmark.toml").read_text().replace("shelf/", ""),
    )
    few = ("--llm-limit=1", "-k", "not [world_ and not [food_ and not [computer_", "--llm-shots=0")
    api = work.api_model()
    work.pytest("tests", *api, *few, "test_own.py", f"--junitxml={work.folder}/own.xml")
    work.picture.content["tests"]["junit"] = work.picture.junit(work.folder / "own.xml", "tests")
    work.pytest("tests_xdist", *ECHO, *api, *few, "test_own.py", "-n2")
    work.pytest("node_id", *api, "test_own.py::test_mini[basic_physics-0]")
    work.pytest("by_hand", *api, *few, "test_by_hand.py")
    work.pytest("by_hand_circular", *api, *few, "test_by_hand.py", "--llm-circular", "--llm-repeats=2")
    work.pytest("score", *api, *few, "test_score.py", "-v")
    work.pytest("broken", *api, *few, "test_broken.py")
    work.pytest("all_at_once", *api, *few, "-k", "physics")
    work.pytest("hooks", *api, "--llm-benchmark=shelf:mine")
    work.pytest("no_model", "test_own.py::test_without_model", named=False)
    work.pytest("model_missing", "test_own.py::test_generate", named=False)


# --- a judge ----------------------------------------------------------------------------------------------


def judge_file(work: Work, model: str = "judge", more: str = "") -> None:
    """llmeval.toml with the fake judge."""
    work.write(
        "llmeval.toml",
        f'[judge]\nmodel = "openai:{model}"\nbase_url = "{work.api.url}"\nretries = 0\n'
        f"price_in = 1000\nprice_out = 2000\n{more}\n",
    )


_FREE = [(f"Question {n}: what is the capital of land {n}?", f"City {n % 7}", f"City {n}") for n in range(12)]


def judge(work: Work) -> None:
    """Free answers graded by a judge; a judge measured by labels; both replayed."""
    judge_file(work)
    folders = [
        _metric_folder(work, "free", 'metric = "judge"', _FREE),
        _metric_folder(
            work,
            "graded",
            "[metric]\nname = 'judge'\nrubric = 'Be kind.'\ngrades = {C = 1, P = 0.5, I = 0}",
            _FREE[:6],
        ),
        _metric_folder(
            work,
            "scaled",
            "[metric]\nname = 'judge'\nreference = false\nscale = [1, 10]\npattern = '\\[\\[(\\d+)\\]\\]'\n"
            'prompt = """Rate this, as in [[5]]\\n{{ question }}\\n{{ response }}\\n{{ boundary }}"""',
            _FREE[:6],
        ),
    ]
    api = work.api_model()
    work.pytest("judged", *api, *folders)
    work.pytest("judged_again", *api, *folders, "-n2")
    work.pytest("judged_xdist", *api, *folders, "--llm-no-cache", "-n2")
    work.pytest("judged_repeats", *api, folders[0], "--llm-repeats=2", "--llm-sampling-seed=1")
    work.pytest("judged_replay", "--llm-replay=judged", *folders)
    judge_file(work, more='rubric = "Be strict."')
    work.pytest("other_rubric_replay", "--llm-replay=judged", folders[0])
    work.pytest("other_rubric_baseline", *api, folders[0], "--llm-baseline=judged")
    judge_file(work, "judge-fails")
    work.pytest("judge_fails", *api, folders[0])
    labels = [
        (f"Capital of land {n}?", f"City {n}", f"It is city {n if n % 3 else 0}.", label)
        for n, label in enumerate(("correct", "incorrect", "C", "I", "yes", "no", "1", "perhaps"))
    ]
    judge_file(work)
    work.write("labels.csv", as_csv("question,reference,response,label", labels))
    work.pytest(
        "labels", "--llm-judge-labels=labels.csv", "--llm-allow-errors=1", "--llm-fail-under=labels=0.1"
    )
    work.pytest("labels_xdist", "--llm-judge-labels=labels.csv", "--llm-no-cache", "-n2")
    work.pytest(
        "two_judges",
        *ECHO,
        *work.api_model("judge"),
        "--llm-judge-labels=labels.csv",
        "--llm-baseline=labels::judge",
    )
    work.lines(
        "prompts",
        "--llm-show-prompts",
        "--llm-judge-labels=labels.csv",
        "--llm-limit=2",
        words=("--- ", "(can", "2 prompts"),
    )


# --- programs ---------------------------------------------------------------------------------------------


def code(work: Work) -> None:
    """Programs, right and wrong ones, in the sandbox."""
    check = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
    names = ("right", "wrong", "raises", "exits", "loops", "syntax", "nothing")
    rows = [{"prompt": f"Write add. CODE<{name}>", "test": check, "entry_point": "add"} for name in names]
    rows.append({"prompt": "Write add again. CODE<right>", "test": "def check(:", "entry_point": "add"})
    rows.append({"prompt": "Add. CODE<right>", "test": '["assert add(1, 1) == 2"]', "entry_point": ""})
    work.write("programs/tasks.jsonl", as_jsonl(rows))
    work.write(
        "programs/benchmark.toml",
        """
name = "programs"
shots = 0
[metric]
name = "code"
seconds = 4.0
[data]
format = "jsonl"
paths = ["tasks.jsonl"]
question = "prompt"
answer = "test"
choices = []
columns = ["entry_point"]
[prompts.generate]
user = "{{ question }}"
""",
    )
    run = (*work.api_model(), "--llm-benchmark=programs")
    work.pytest("not_allowed", *run)
    work.pytest("allowed", *run, "--llm-allow-code")
    work.pytest("xdist", *run, "--llm-allow-code", "-n2")
    work.pytest("replay", "--llm-replay=allowed", "--llm-benchmark=programs", "--llm-allow-code")
    work.pytest("repeats", *run, "--llm-allow-code", "--llm-repeats=2", "-k", "[programs-0] or [programs-1]")


# --- tasks of lm-evaluation-harness -----------------------------------------------------------------------

TASKS_PATH = ("--llm-lm-eval-path=tasks",)
KINDS = ("g_choice", "g_word", "g_pages", "g_text")
_CAPITALS = (
    "France Paris Rome Oslo",
    "Japan Kyoto Tokyo Lima",
    "Italy Cairo Madrid Rome",
    "Peru Lima Quito Bonn",
)
_LINES = ("The quick brown fox jumps over the lazy dog", "An apple a day keeps the doctor away",
          "Once upon a time", "Better late than never")  # fmt: skip
_PAGES = (
    "The boats lay still in the harbour, and an old man on the quay mended his net without looking up.",
    "It was late.",
    "老人与海的故事讲的是一位渔夫。",
    "Bread needs flour, water, salt and time; the last of them is the one that is most often left out.",
)


def _scores(*names: str) -> list[dict[str, Any]]:
    return [{"metric": one, "aggregation": "mean", "higher_is_better": True} for one in names]


def write_tasks(work: Work) -> None:
    """A task of each kind, and a group; the paths are relative, so that they are the same everywhere."""
    data: dict[str, list[dict[str, Any]]] = {
        "capitals": [
            {"land": land, "options": options, "gold": at % 3}
            for at, (land, *options) in enumerate(line.split() for line in _CAPITALS)
        ],
        "lines": [dict(zip(("line", "word"), line.rsplit(" ", 1), strict=True)) for line in _LINES],
        "pages": [{"page": page} for page in _PAGES],
    }
    for name, rows in data.items():
        work.write(f"tasks/{name}.jsonl", as_jsonl(rows))
    perplexity = [
        {"metric": name, "aggregation": kind, "higher_is_better": False}
        for name, kind in (
            ("word_perplexity", "weighted_perplexity"),
            ("byte_perplexity", "weighted_perplexity"),
            ("bits_per_byte", "bits_per_byte"),
        )
    ]
    tasks: dict[str, tuple[str, dict[str, Any]]] = {
        "g_choice": (
            "capitals",
            {
                "output_type": "multiple_choice",
                "fewshot_split": "test",
                "num_fewshot": 1,
                "doc_to_text": "Question: What is the capital of {{land}}?\nAnswer:",
                "doc_to_choice": "options",
                "doc_to_target": "gold",
                "metric_list": _scores("acc", "acc_norm"),
            },
        ),
        "g_word": (
            "lines",
            {
                "output_type": "loglikelihood",
                "doc_to_text": "{{line}}",
                "doc_to_target": " {{word}}",
                "metric_list": [
                    {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
                    *_scores("acc"),
                ],
            },
        ),
        "g_pages": (
            "pages",
            {
                "output_type": "loglikelihood_rolling",
                "doc_to_text": "",
                "doc_to_target": "{{page}}",
                "metric_list": perplexity,
            },
        ),
        "g_text": (
            "lines",
            {
                "output_type": "generate_until",
                "doc_to_text": "Go on: {{line}}",
                "doc_to_target": "{{word}}",
                "generation_kwargs": {"until": ["\n", "."], "max_gen_toks": 8},
                "filter_list": [
                    {
                        "name": "first",
                        "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}],
                    },
                    {
                        "name": "word",
                        "filter": [
                            {"function": "regex", "regex_pattern": "([A-Za-z]+)"},
                            {"function": "take_first"},
                        ],
                    },
                ],
                "metric_list": _scores("exact_match"),
            },
        ),
    }
    for name, (file, config) in tasks.items():
        whole = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": f"tasks/{file}.jsonl"}},
            "test_split": "test",
            **config,
        }
        work.write(f"tasks/{name}.yaml", json.dumps(whole, ensure_ascii=False))
    group = {
        "group": "g_group",
        "task": ["g_choice", "g_word"],
        "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
    }
    work.write("tasks/g_group.yaml", json.dumps(group))


def lm_eval(work: Work) -> None:
    """Tasks and a group asked of echo and of an API, with gates, baselines and replays."""
    write_tasks(work)
    tasks = (*TASKS_PATH, *(f"--llm-benchmark=lm-eval:{name}" for name in ("g_group", "g_pages", "g_text")))
    group = (*TASKS_PATH, "--llm-benchmark=lm-eval:g_group")
    work.pytest("echo", *ECHO, *tasks)
    work.pytest("echo_xdist", *ECHO, *tasks, "-n2")
    work.pytest("replay", "--llm-replay=echo", *tasks)
    work.pytest(
        "gates",
        *ECHO,
        *group,
        "--llm-fail-under=lm-eval:g_group=0.2",
        "--llm-fail-under=lm-eval:g_group:g_word=0.99",
    )
    work.pytest("baseline", *ECHO, *group, "--llm-baseline=echo", "--llm-max-drop=0.9")
    work.write(
        "llmeval.toml",
        f'[models.base]\nbackend = "openai"\nmodel = "m"\napi = "completions"\nbase_url = "{work.api.url}"\n',
    )
    work.pytest("completions", "--llm-model=base", *group)
    work.pytest("chat", *work.api_model(), *TASKS_PATH, "--llm-benchmark=lm-eval:g_text", "--llm-limit=2")
    work.pytest("shots", *ECHO, *group, "--llm-shots=2", "--llm-limit=2", "--llm-strict")
    work.lines("prompts", "--llm-show-prompts", *tasks, "--llm-limit=1", words=("--- ", "(can", "4 prompts"))
    work.pytest("no_such_task", *ECHO, *TASKS_PATH, "--llm-benchmark=lm-eval:g_chioce")


# --- comparing runs ---------------------------------------------------------------------------------------


def baselines(work: Work) -> None:
    """Gates, baselines and comparisons of finished runs."""
    run = (*work.api_model(), *MINI, "--llm-shots=0", "--llm-no-cache")
    work.pytest("first", *run)
    work.api.salt = "another model"
    work.pytest("second", *run, "--llm-baseline=first")
    gates = ("--llm-max-drop=0.9", "--llm-max-drop=mini=0", "--llm-max-drop=mini:stem=2%")
    work.pytest("drops", *run, "--llm-baseline=latest", *gates)
    work.pytest("drops_xdist", *run, "--llm-baseline=first", *gates, "-n2")
    work.pytest("inconclusive_fails", *run, "--llm-baseline=first", *gates, "--llm-inconclusive=fail")
    work.pytest("floors_pass", *run, "--llm-fail-under=0.01", "--llm-fail-under=mini:stem=0.02")
    work.pytest(
        "floors_fail",
        *run,
        "--llm-fail-under=mini=0.99",
        "--llm-fail-under=mini>=0.1@95%",
        "--llm-fail-under=0.2@80%",
    )
    work.pytest(
        "partial",
        *run,
        "--llm-limit=3",
        "--llm-fail-under=0.01",
        "--llm-baseline=first",
        "--llm-max-drop=0.5",
    )
    work.pytest(
        "partial_judged",
        *run,
        "--llm-limit=3",
        "--llm-gate-partial",
        "--llm-baseline=first",
        "--llm-max-drop=0.5",
    )
    work.pytest("refused", *run, "--llm-baseline=first", "--llm-mode=logprob")
    work.pytest("forced", *run, "--llm-baseline=first", "--llm-mode=logprob", "--llm-baseline-force")
    work.pytest("replay", "--llm-replay=first", *MINI)
    work.pytest(
        "replay_xdist", "--llm-replay=reports/first/results.json", *MINI, "-n2", "--llm-baseline=second"
    )
    work.pytest("no_baseline", *run, "--llm-limit=1", "--llm-max-drop=0.1", "--llm-gate-partial")
    work.tool("compare", "compare", "first", "second")
    work.tool("compare_most", "compare", "reports/first", "second::m", "--most=1")
    work.tool("compare_json", "compare", "first", "second", "--json", as_json=True)
    work.tool("compare_refused", "compare", "first", "forced")
    work.tool("compare_forced", "compare", "first", "forced", "--force")
    work.tool("compare_nothing", "compare", "first", "nowhere")


# --- interrupted runs, and the store ----------------------------------------------------------------------


def _interrupt(work: Work, args: tuple[str, ...], sign: signal.Signals, after: int) -> tuple[int, str, str]:
    """Start a run, let the server answer so many requests, wait until all is written, and stop it."""
    work.api.reset()
    work.api.hold_after = after
    running = work.begin(*args)
    wait_until(lambda: work.api.posts > after or not running.going)
    time.sleep(3.0)  # the last answers are on their way into the store, and reported
    code = running.send(sign)
    work.api.release()
    work.api.reset()
    return code, running.stdout, running.stderr


def resume(work: Work) -> None:
    """Killed, and interrupted, in the middle: the next run asks what is left, and finds the same."""
    run = (*work.api_model(), *MINI, "--llm-limit=4", "--llm-shots=0", "--llm-concurrency=1")
    work.pytest("calm", *run, "--llm-no-cache")
    calm = _outcomes(work, "calm")
    total = len(calm)
    for name, sign in (("killed", signal.SIGKILL), ("interrupted", signal.SIGINT)):
        cache = f"--llm-cache-dir=cache-{name}"
        code, stdout, stderr = _interrupt(work, (*run, cache, f"--llm-run-name={name}"), sign, 12)
        if sign is signal.SIGINT:
            work.finished(name, code, stdout, stderr)
        else:
            work.picture.content[name] = {"exit": code}
        found = work.pytest(f"{name}_resumed", *run, cache)
        rows = found["run"]["questions.jsonl"]["rows"].values()
        work.picture.content[f"{name}_checks"] = {
            "answers from the store": sum(row["cached"] for row in rows),
            "asked what was left": found["requests"] == total - sum(row["cached"] for row in rows),
            "same as the calm run": _outcomes(work, f"{name}_resumed") == calm,
        }


def _outcomes(work: Work, step: str) -> dict[str, tuple[Any, ...]]:
    rows = work.picture.content[step]["run"]["questions.jsonl"]["rows"]
    return {
        key: tuple(row[name] for name in ("outcome", "answer", "text", "prompt")) for key, row in rows.items()
    }


def store(work: Work) -> None:
    """A store of all that has keys of its own; ``golden.py stores`` runs this against an older one."""
    judge_file(
        work,
        more='[models.base]\nbackend = "openai"\nmodel = "m"\napi = "completions"\n'
        f'base_url = "{work.api.url}"\n'
        f'[models.rich]\nbackend = "openai"\nmodel = "m"\nbase_url = "{work.api.url}"\nmax_tokens = 77\n'
        "temperature = 0.5\ntop_p = 0.9\nsampling_seed = 3\nstop = ['X']\nrate = 500\ntimeout = 60\n"
        "extra_body = {top_k = 5}\nheaders = {X-Team = 'eval'}",
    )
    write_tasks(work)
    few = (*MINI, "--llm-limit=1", "--llm-shots=1")
    api = work.api_model()
    work.pytest("generate", *api, *few)
    work.pytest("logprob", *api, *few, "--llm-mode=logprob")
    work.pytest("repeats", "--llm-model=rich", *few, "--llm-repeats=2")
    work.pytest("circular", *api, *few, "--llm-circular", "--llm-shuffle-choices=2", "-n2")
    work.pytest("plain_text", "--llm-model=base", *few)
    work.pytest("plain_text_logprob", "--llm-model=base", *few, "--llm-mode=logprob")
    work.pytest("judged", *api, _metric_folder(work, "free", 'metric = "judge"', _FREE))
    work.pytest("lm_eval", "--llm-model=base", *TASKS_PATH, "--llm-benchmark=lm-eval:g_choice")
    work.tool("cache", "cache", f"--cache-dir={work.store.parent}")


# --- what goes wrong before anything is asked, and what asks nothing --------------------------------------


def usage_errors(work: Work) -> None:
    """Command lines and files that are wrong: the exit codes, and one line each."""
    work.write("free.csv", as_csv("question,answer", [("q?", "a")]))
    judged = _metric_folder(work, "judged", 'metric = "judge"', _FREE[:1])
    with socket.socket() as free:  # bound, and not listening: nobody answers there
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        for name, args in (
            ("mode", (*ECHO, *MINI, "--llm-mode=banana")),
            ("limit", (*ECHO, *MINI, "--llm-limit=0")),
            ("shots", (*ECHO, *MINI, "--llm-shots=many")),
            ("temperature", (*ECHO, *MINI, "--llm-temperature=-1")),
            ("repeats", (*ECHO, *MINI, "--llm-repeats=0")),
            ("unknown_option", (*ECHO, *MINI, "--llm-modell=echo")),
            ("benchmark", (*ECHO, "--llm-benchmark=minni")),
            ("model", ("--llm-model=ecco", *MINI)),
            ("no_model", MINI),
            ("split", (*ECHO, *MINI, "--llm-split=nowhere")),
            ("no_data", (*ECHO, "--llm-benchmark=ceval", "--llm-data-dir=.", "--llm-limit=1")),
            ("no_run", ("--llm-run=nothing",)),
            ("no_replay", ("--llm-replay=nowhere", *MINI)),
            ("no_baseline", (*ECHO, *MINI, "--llm-baseline=nowhere")),
            ("gate_value", (*ECHO, *MINI, "--llm-fail-under=mini=high")),
            ("gate_part", (*ECHO, *MINI, "--llm-fail-under=mini:stam=0.5")),
            ("policy", (*ECHO, *MINI, "--llm-inconclusive=maybe")),
            ("run_name", (*ECHO, *MINI, "--llm-run-name=latest")),
            ("badge", (*ECHO, *MINI, "--llm-badge=x.png")),
            ("judge_missing", (*ECHO, judged)),
            ("circular_free", (*ECHO, "--llm-benchmark=free.csv", "--llm-circular")),
            ("logprob_free", (*ECHO, "--llm-benchmark=free.csv", "--llm-mode=logprob")),
            ("closed_port", ("--llm-model=openai:m", f"--llm-base-url={closed}", *MINI, "--llm-limit=1")),
            ("wrong_key", (*work.api_model(), *MINI, "--llm-limit=1")),
            ("no_weights", ("--llm-model=hf:./nowhere", *MINI, "--llm-limit=1")),
            ("nothing_selected", (*ECHO, *MINI, "-k", "nothing_of_this_name")),
            ("xdist", (*ECHO, "--llm-benchmark=minni", "-n2")),
        ):
            key = {"OPENAI_API_KEY": "bad-key"} if name == "wrong_key" else {}
            retries = ("--llm-retries=0",) if name == "closed_port" else ()
            work.pytest(name, *args, *retries, env=key, named=False, requests=name != "wrong_key")
    for name, text in (
        ("toml_key", "modell = 1\n"),
        ("toml_value", "limit = 'x'\n"),
        ("toml_model", "[models.a]\nbackend = 'hf'\nmax_token = 3\n"),
        ("toml_torn", "[models.a\n"),
        ("toml_gate", "[gates]\nmini = 'x'\n"),
    ):
        work.write("llmeval.toml", text)
        work.pytest(name, *ECHO, *MINI, "--llm-limit=1", named=False)
    (work.folder / "llmeval.toml").unlink()
    for name, content in (
        ("bad/benchmark.toml", 'name = "bad"\nsplitt = "val"\n[data]\npaths = ["q.csv"]\n'),
        ("empty.csv", ""),
        ("columns.csv", "colour,shape\nred,round\n"),
        ("broken.jsonl", "question,answer\none?,a\n"),
    ):
        work.write(name, content)
        given = name.split("/")[0]
        step = f"file_{given.partition('.')[0]}"
        work.pytest(step, *ECHO, f"--llm-benchmark={given}", named=False)
    work.tool("tool_cache", "cache", "--cache-dir=nothing-there")
    work.tool("tool_unknown", "nonsense")


def listings(work: Work) -> None:
    """What is only printed: the list, the prompts, the collected items; a checkout; names of runs."""
    work.write(
        "llmeval.toml",
        "[models.here]\nbackend = 'openai'\nmodel = 'x'\nbase_url = 'http://user:pw@host/v1'\n"
        "[runs.short]\nmodels = ['here', 'echo']\nbenchmarks = ['mini']\nlimit = 1\n",
    )
    for step, words in (("list", ()), ("list_words", ("mini", "echo")), ("list_nothing", ("qqq",))):
        running = work.start("-m", "pytest", "-p", "no:cacheprovider", "--llm-list", *words)
        code = running.wait()
        lines = running.stdout.splitlines()
        names = [re.split(r"\s{2,}", line.strip())[0] for line in lines if line.startswith("  ")]
        work.picture.content[step] = {"exit": code, "names": names}
        work.picture.words[f"{step}/stdout"] = [
            work.picture.places.words(line)
            for line in lines
            if not re.match(r"=|platform|plugins|rootdir", line)
        ]
    few = (*MINI, "--llm-limit=1", "-k", "[basic_physics- or [world_history-")
    said = ("--- ", "(can", "2 prompts", "8 prompts")
    work.lines("prompts", "--llm-show-prompts", *few, words=said)
    work.lines("prompts_logprob", "--llm-show-prompts", *few, "--llm-mode=logprob", words=said)
    shown = ("--llm-shots=0", "--llm-circular", "--llm-shuffle-choices=3")
    work.lines("prompts_circular", "--llm-show-prompts", *few, *shown, words=said)
    work.lines("collected", "--collect-only", "-q", *ECHO, *few)
    work.lines("collected_models", "--collect-only", "-q", *ECHO, *work.api_model(), *few)
    work.lines("collected_tree", "--collect-only", *ECHO, *few)
    work.lines(
        "verbose",
        "-v",
        *ECHO,
        *few,
        "--llm-run-name=verbose",
        only="::",
    )
    work.pytest("unnamed", *ECHO, *few, named=False)
    folders = sorted(path.name for path in (work.folder / "reports").iterdir())
    work.picture.content["folders"] = [work.picture.places.text(name) for name in folders]
    work.picture.content["latest"] = (work.folder / "reports/latest").is_symlink()
    work.pytest("unnamed_model", *ECHO, *few, "--llm-report-dir=elsewhere/deep")
    work.picture.content["elsewhere"] = sorted(
        path.name for path in (work.folder / "elsewhere/deep").iterdir()
    )
    work.pytest("taken", *ECHO, *few)
    work.pytest("taken", *ECHO, *few)
    work.picture.content["taken_twice"] = sorted(
        path.name for path in (work.folder / "reports").glob("taken*")
    )
    out = (f"--llm-report-dir={work.folder}/reports", f"--llm-cache-dir={work.folder}/cache")
    work.pytest("checkout", *ECHO, "benchmarks/mini", "--llm-limit=1", *out, cwd=work.tree)


SCENARIOS: Mapping[str, Callable[[Work], None]] = {
    one.__name__: one
    for one in (
        *(smollm2, lm_eval, usage_errors, baselines, models, repeats, errors, own_questions, own_tests),
        *(judge, code, ceval, resume, store, listings),
    )
}
#: scenarios whose store is kept, and the steps that must come out of it whole
STORED: Mapping[str, tuple[str, ...]] = {
    "smollm2": ("generate", "logprob", "lm_eval", "circular"),
    "store": (
        *("generate", "logprob", "repeats", "circular", "plain_text", "plain_text_logprob"),
        *("judged", "lm_eval"),
    ),
}

"""Every kind of bad input: what is said, once, on one line; the exit code; and nothing left behind.

Each row runs as real pytest, in one process and with two workers of xdist.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.api_server import DROP, Json, Reply, Server, error
from tests.support.workers import WORKERS

pytestmark = pytest.mark.usefixtures("sdk_loaded")

TOML = """
name = "tiny"
title = "Tiny"
split = "val"
splits = ["val", "dev", "test"]
shots = 1

[data]
paths = ["data/{split}/{subject}_{split}.csv"]
id = "id"
ids = "number"
unanswered_splits = ["test"]

[prompts.generate]
user = "{{ question }} A. {{ A }} B. {{ B }} C. {{ C }} D. {{ D }} Answer:"
assistant = "{{ answer }}"

[subjects]
birds = {name = "Birds", zh = "鸟类", groups = ["nature"]}
logic = {name = "Logic", zh = "逻辑", groups = ["thought"]}
"""
ABCD = " A. {{ A }} B. {{ B }} C. {{ C }} D. {{ D }}"
HEADER = "id,question,A,B,C,D,answer\n"
ROW = "{0},会飞的是 {0}？,麻雀,二,三,四,A\n"  # no two alike: the second would come from the store
GOOD = HEADER + ROW.format(0) + ROW.format(1)
BIRDS = "tiny/data/val/birds_val.csv"
SHOTS = "tiny/data/dev/birds_dev.csv"
KEY = "sk-very-secret-0123456789"
ECHO = ("--llm-model=echo",)
TINY = ("--llm-benchmark=tiny",)
USAGE, FAILED, FINE = 4, 1, 0


class Dying(Server):
    """Answers three questions, then its port is closed."""

    def _reply(self, method: str, path: str, headers: Mapping[str, str], sent: bytes) -> Reply:
        reply = super()._reply(method, path, headers, sent)
        if len(self.bodies) <= 3:
            return reply
        assert self._listening is not None
        self._listening.close()
        return DROP


class Renamed(Server):
    """Knows no model but its own."""

    def _reply(self, method: str, path: str, headers: Mapping[str, str], sent: bytes) -> Reply:
        if method == "POST" and self._named(sent) != "m":
            return error(404, f"The model `{self._named(sent)}` does not exist", "model_not_found")
        return super()._reply(method, path, headers, sent)

    @staticmethod
    def _named(sent: bytes) -> str:
        body: Json = json.loads(sent)
        return str(body["model"])


@dataclass(frozen=True)
class Bad:
    """One kind of bad input.

    ``args`` and ``env`` may name the ``{url}`` of ``server``. ``files`` are written over a
    benchmark with two questions in each of two subjects; None takes one away. ``says`` are pieces
    of the line that explains. ``toml`` replaces a piece of the benchmark.toml. With ``code`` 1 it
    is only a question's own error: ``errors`` of all four.
    """

    name: str
    says: Sequence[str]
    args: Sequence[str] = ()
    code: int = USAGE
    errors: int = 0
    model: Sequence[str] = ECHO
    benchmark: Sequence[str] = TINY
    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    toml: tuple[str, str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    server: type[Server] | None = None


def config(text: str | bytes) -> dict[str, str | bytes | None]:
    return {"llmeval.toml": text}


def birds(text: str | bytes) -> dict[str, str | bytes | None]:
    return {BIRDS: text}


def openai(*more: str, name: str = "m") -> tuple[str, ...]:
    return (f"--llm-model=openai:{name}", "--llm-base-url={url}", "--llm-retries=0", *more)


MODELS = [
    Bad("no such model", ["unknown model 'ech'", "did you mean 'echo'?"], model=["--llm-model=ech"]),
    Bad(
        "no such [models] table",
        ["unknown model 'puyi'", "llmeval.toml", "did you mean 'puyu'?"],
        model=["--llm-model=puyi"],
        files=config('[models.puyu]\nbackend = "echo"\n'),
    ),
    Bad(
        "no such backend",
        ["unknown backend 'opena'", "did you mean 'openai'?"],
        model=["--llm-model=opena:m"],
    ),
    Bad("a folder without hf:", ["for a folder with weights write hf:tiny"], model=["--llm-model=tiny"]),
    Bad("hf without a folder", ["--llm-model=hf:", "needs a folder or a hub id"], model=["--llm-model=hf:"]),
    Bad("no such folder", ["hf:./none", "no such folder", "check the path"], model=["--llm-model=hf:./none"]),
    Bad(
        "echo with a name",
        ["--llm-model=echo:m", "echo takes no name", "write --llm-model=echo"],
        model=["--llm-model=echo:m"],
    ),
    Bad(
        "a folder without config.json",
        ["tiny has no config.json", "use the folder of a saved model"],
        model=["--llm-model=hf:./tiny"],
    ),
    Bad(
        "a folder without weights",
        ["has no weights", "is the download complete?"],
        model=["--llm-model=hf:./empty"],
        files={"empty/config.json": "{}"},
    ),
    Bad(
        "no network",
        ["some/model is not a folder", "http://127.0.0.1:9", "cannot be reached", "hf download some/model"],
        model=["--llm-model=hf:some/model"],
        env={"HF_ENDPOINT": "http://127.0.0.1:9"},
    ),
    Bad(
        "offline",
        ["nor in the hub's cache", "HF_HUB_OFFLINE is set", "hf download some/model"],
        model=["--llm-model=hf:some/model"],
        env={"HF_HUB_OFFLINE": "1"},
    ),
    Bad(
        "no such dtype",
        ["unknown dtype 'bf16'", "--llm-dtype", "did you mean 'bfloat16'?"],
        ["--llm-dtype=bf16"],
        model=["--llm-model=hf:./empty"],
        files={"empty/config.json": "{}", "empty/model.safetensors": b""},
    ),
    Bad(
        "no such device",
        ["'gpu' is not a device", "cuda:1"],
        ["--llm-device=gpu"],
        model=["--llm-model=hf:./empty"],
        files={"empty/config.json": "{}", "empty/model.safetensors": b""},
    ),
    Bad(
        "weights that are none",
        ["empty/model.safetensors (0 bytes) is not a complete safetensors file; download it again"],
        model=["--llm-model=hf:./empty"],
        files={"empty/config.json": "{}", "empty/model.safetensors": b""},
    ),
    Bad(
        "wrong port",
        ["nothing answers at http://127.0.0.1:9/v1", "connection refused", "is the port right?"],
        model=["--llm-model=openai:m", "--llm-base-url=http://127.0.0.1:9/v1"],
    ),
    Bad(
        "wrong key",
        ["does not accept the key in OPENAI_API_KEY", "status 401", "set a valid one"],
        model=openai(),
        env={"OPENAI_API_KEY": KEY},
        server=Server,
    ),
    Bad(
        "no key",
        ["requires an API key", "status 401", "set the environment variable OPENAI_API_KEY"],
        model=openai(),
        server=Server,
    ),
    Bad(
        "the named key is not set",
        ["MY_KEY", "(api_key_env) is not set", "export MY_KEY="],
        model=openai("--llm-api-key-env=MY_KEY"),
        env={"OPENAI_API_KEY": KEY},
        server=Server,
    ),
    Bad(
        "no such model on the server",
        ["model 'internlm' is not at", "it has m"],
        model=openai(name="internlm"),
        env={"OPENAI_API_KEY": "good"},
        server=Renamed,
    ),
    Bad(
        "a path that is not the API's",
        ["127.0.0.1", "status 404", "check the model's name and the base URL"],
        model=["--llm-model=openai:m", "--llm-base-url={url}/wrong", "--llm-retries=0"],
        env={"OPENAI_API_KEY": "good"},
        server=Server,
    ),
    Bad(
        "the server dies",
        ["no answer from http://127.0.0.1", "after 1 attempt"],
        model=openai("--llm-concurrency=1"),
        env={"OPENAI_API_KEY": "good"},
        server=Dying,
        code=FAILED,
        errors=1,
    ),
    Bad(
        "no address",
        ["base_url 'localhost:8000/v1' is not a valid address", "write http://localhost:8000/v1"],
        model=["--llm-model=openai:m", "--llm-base-url=localhost:8000/v1"],
    ),
    Bad(
        "two models with one name",
        ["two models are called 'm'", "[models.NAME]"],
        model=["--llm-model=hf:a/m", "--llm-model=hf:b/m"],
    ),
]

BENCHMARKS = [
    Bad(
        "no such benchmark",
        ["unknown benchmark 'cevall'", "did you mean 'ceval'?"],
        benchmark=["--llm-benchmark=cevall"],
    ),
    Bad(
        "a folder that is no benchmark",
        ["neither a benchmark.toml nor a file of questions"],
        benchmark=["--llm-benchmark=tiny/data"],
    ),
    Bad(
        "a test of no benchmark",
        ["unknown benchmark 'tinny'"],
        benchmark=["test_own.py"],
        files={
            "test_own.py": "import pytest\n@pytest.mark.llmeval('tinny')\n"
            "def test_it(question, llm): llm.answer(question)\n"
        },
    ),
    Bad(
        "a marker without a name",
        ["test_own.py::test_it", 'write @pytest.mark.llmeval("BENCHMARK")'],
        benchmark=["test_own.py"],
        files={
            "test_own.py": "import pytest\n@pytest.mark.llmeval\n"
            "def test_it(question, llm): llm.answer(question)\n"
        },
    ),
    Bad(
        "no such subject in a gate",
        ["--llm-fail-under=tiny:bird=0.5", "did you mean 'birds'?"],
        ["--llm-fail-under=tiny:bird=0.5"],
    ),
    Bad(
        "no such benchmark in a gate",
        ["--llm-fail-under=tinny=0.5", "did you mean 'tiny'?"],
        ["--llm-fail-under=tinny=0.5"],
    ),
    Bad("no gate at all", ["--llm-fail-under=tiny=much", "write 0.55"], ["--llm-fail-under=tiny=much"]),
    Bad(
        "a gate of 55",
        ["--llm-fail-under=55", "55%"],
        ["--llm-fail-under=55"],
    ),
    Bad(
        "no such subject in [gates]",
        ["[gates] 'tiny:bird=0.5'", "'bird'", "did you mean 'birds'?"],
        files=config('[gates]\n"tiny:bird" = 0.5\n'),
    ),
    Bad(
        "no such split",
        ["unknown split 'vall'", "benchmark tiny", "did you mean 'val'?"],
        ["--llm-split=vall"],
    ),
    Bad(
        "a split without files",
        ["tiny: no data for split test", "expected", "birds_test.csv"],
        ["--llm-split=test"],
    ),
    Bad(
        "a template that names no field",
        ["benchmark.toml [prompts.generate] user", "unknown field 'qestion'", "did you mean 'question'?"],
        toml=("{{ question }}", "{{ qestion }}"),
    ),
    Bad(
        "a template that is none",
        ["benchmark.toml [prompts.generate] user", "not a valid template"],
        toml=("{{ question }}", "{{ question }"),
    ),
    Bad(
        "a template that fails",
        ["benchmark.toml [prompts.generate]", "a template fails for tiny/birds/0", "ZeroDivisionError"],
        toml=("{{ question }}", "{{ 9 // (question | length - 1) }}"),
        files=birds(HEADER + "0,?,a,b,c,d,A\n" + ROW.format(1)),
        code=FAILED,
        errors=1,
    ),
    Bad(
        "no such extractor",
        ["benchmark.toml", "unknown extractor 'choise'", "did you mean 'choice'?"],
        toml=("shots = 1", 'shots = 1\nextractor = "choise"'),
    ),
    Bad(
        "no such key",
        ["benchmark.toml", "unknown key 'shot'", "did you mean 'shots'?"],
        toml=("shots = 1", "shot = 1"),
    ),
    Bad(
        "a wrong type",
        ["benchmark.toml", "shots", "'1' is not a whole number"],
        toml=("shots = 1", 'shots = "1"'),
    ),
    Bad(
        "a benchmark.toml that is no TOML",
        ["benchmark.toml", "not valid TOML"],
        toml=("shots = 1", "shots ="),
    ),
    Bad(
        "nothing to score",
        ["tiny: it has no choices to score", "--llm-mode=generate"],
        ["--llm-mode=logprob"],
        files={"tiny/benchmark.toml": TOML.replace(ABCD, "").replace('id = "id"', 'id = "id"\nchoices = []')},
    ),
]

DATA = [
    Bad("no data folder", ["data folder none does not exist", "--llm-data-dir"], ["--llm-data-dir=none"]),
    Bad(
        "a file in the place of the data folder",
        ["data folder tiny/benchmark.toml is not a folder", "--llm-data-dir"],
        ["--llm-data-dir=tiny/benchmark.toml"],
    ),
    Bad(
        "no data folder in LLMEVAL_DATA",
        ["data folder none does not exist", "LLMEVAL_DATA"],
        env={"LLMEVAL_DATA": "none"},
    ),
    Bad(
        "data nowhere",
        ["ceval: no local data", "download", "give the folder with --llm-data-dir"],
        benchmark=["--llm-benchmark=ceval"],
        env={"HF_HUB_OFFLINE": "1"},
    ),
    Bad(
        "shots missing",
        ["no examples for subject birds", "birds_dev.csv is missing", "--llm-shots=0"],
        files={SHOTS: None},
    ),
    Bad("too few shots", ["birds_dev.csv: 1 examples", "3 are needed", "--llm-shots=1"], ["--llm-shots=3"]),
    Bad(
        "a bad shot",
        ["birds_dev.csv", "an example cannot be used", "line 2", "the answer is missing"],
        files={SHOTS: HEADER + "0,q,a,b,c,d,\n"},
    ),
    Bad(
        "questions that are their own shots",
        ["split 'dev' holds the few-shot examples", "--llm-shots=0 or another split"],
        ["--llm-split=dev"],
    ),
    Bad(
        "a missing column",
        ["birds_val.csv", "column 'answer' is missing", "the columns are 'id', 'question'"],
        files=birds(GOOD.replace("answer", "anser")),
    ),
    Bad("a header only", ["birds_val.csv", "no rows"], files=birds(HEADER)),
    Bad("an empty file", ["birds_val.csv", "no rows", "the file is empty"], files=birds("")),
    Bad(
        "a duplicate id",
        ["birds_val.csv, line 3", "id 0 occurs twice", "first in line 2"],
        files=birds(HEADER + ROW.format(0) * 2),
    ),
    Bad(
        "an id that is no number",
        ["birds_val.csv, line 2", "id 'one'", "whole number"],
        files=birds(HEADER + ROW.format("one")),
    ),
    Bad(
        "GBK",
        ["birds_val.csv, line 2", "not UTF-8", "iconv -f GB18030 -t UTF-8"],
        files=birds(GOOD.encode("gb18030")),
    ),
    Bad("broken UTF-16", ["birds_val.csv: broken UTF-16"], files=birds(GOOD.encode("utf-16")[:-1])),
    Bad(
        "UTF-16 without a mark",
        ["birds_val.csv: UTF-16 without a byte-order mark", "save it as UTF-8"],
        files=birds(GOOD.encode("utf-16-le")),
    ),
    Bad("NUL bytes", ["birds_val.csv, line 2", "NUL"], files=birds(GOOD.replace("麻雀", "\0", 1))),
    Bad(
        "broken quoting",
        ["birds_val.csv, line 2", "broken CSV", "check the quotes"],
        files=birds(HEADER + '0,"q"x,a,b,c,d,A\n'),
    ),
    Bad(
        "a quote that never ends",
        ["birds_val.csv, line 3", "broken CSV", "check the quotes"],
        files=birds(GOOD.replace("1,会", '1,"会')),
    ),
    Bad(
        "a folder in the place of a file",
        ["no data for split val"],
        files={BIRDS: None, BIRDS + "/x": "", "tiny/data/val/logic_val.csv": None},
    ),
    Bad(
        "a missing answer",
        ["tiny/birds/0", "birds_val.csv, line 2", "the answer is missing"],
        code=FAILED,
        errors=1,
        files=birds(GOOD.replace("四,A", "四,", 1)),
    ),
    Bad(
        "an answer that is no choice",
        ["tiny/birds/0", "birds_val.csv, line 2", "answer 'E' is not one of A, B, C, D"],
        code=FAILED,
        errors=1,
        files=birds(GOOD.replace("四,A", "四,E", 1)),
    ),
    Bad(
        "an empty question",
        ["tiny/birds/1", "birds_val.csv, line 3", "the question is empty"],
        code=FAILED,
        errors=1,
        files=birds(HEADER + ROW.format(0) + "1,,a,b,c,d,A\n"),
    ),
    Bad(
        "a row with too many cells",
        ["tiny/birds/1", "birds_val.csv, line 3", "8 cells instead of 7", "a comma without quotes?"],
        code=FAILED,
        errors=1,
        files=birds(HEADER + ROW.format(0) + "1,a, b,a,b,c,d,A\n"),
    ),
    Bad("a byte order mark", (), code=FINE, files=birds(b"\xef\xbb\xbf" + GOOD.encode())),
    Bad("Windows line ends", (), code=FINE, files=birds(GOOD.replace("\n", "\r\n").encode())),
]

CONFIG = [
    Bad(
        "no such key",
        ["llmeval.toml", "unknown key 'limt'", "did you mean 'limit'?"],
        files=config("limt = 1\n"),
    ),
    Bad(
        "no such key of a model",
        ["llmeval.toml [models.a]", "unknown key 'bass_url'", "did you mean 'base_url'?"],
        files=config('[models.a]\nbackend = "echo"\nbass_url = "x"\n'),
    ),
    Bad(
        "a key in the file",
        ["llmeval.toml [models.a]", "unknown key 'api_key'", "name the environment variable in api_key_env"],
        files=config(f'[models.a]\nbackend = "echo"\napi_key = "{KEY}"\n'),
    ),
    Bad(
        "a wrong type",
        ["llmeval.toml", "strict", "'yes' is not true or false"],
        files=config('strict = "yes"\n'),
    ),
    Bad(
        "a model that is no table",
        ["llmeval.toml", "[models.a] must be a table"],
        files=config("[models]\na = 1\n"),
    ),
    Bad(
        "no backend",
        ["llmeval.toml [models.a]", "backend is missing", "openai"],
        files=config("[models.a]\npath = 'x'\n"),
    ),
    Bad(
        "no path",
        ["llmeval.toml [models.a]", "path is missing", "a folder with weights or a hub id"],
        files=config("[models.a]\nbackend = 'hf'\n"),
    ),
    Bad(
        "a gate that is no number",
        ["llmeval.toml [gates]", "tiny", "is not a number"],
        files=config("[gates]\ntiny = true\n"),
    ),
    Bad("no TOML", ["llmeval.toml", "not valid TOML", "line 1"], files=config("limit = = 1\n")),
    Bad(
        "not UTF-8",
        ["llmeval.toml", "not UTF-8", "save the file as UTF-8"],
        files=config("# 模型\n".encode("gbk")),
    ),
    Bad(
        "in pyproject.toml",
        ["pyproject.toml [tool.llmeval]", "unknown key 'limt'"],
        files={"pyproject.toml": "[tool.llmeval]\nlimt = 1\n"},
    ),
    Bad(
        "no table in pyproject.toml",
        ["pyproject.toml", "[tool.llmeval] must be a table"],
        files={"pyproject.toml": "[tool]\nllmeval = 1\n"},
    ),
    Bad(
        "a run that names no model",
        ["unknown model 'puyi'", "did you mean 'puyu'?"],
        ["--llm-run=a"],
        model=(),
        files=config('[models.puyu]\nbackend = "echo"\n[runs.a]\nmodels = ["puyi"]\n'),
    ),
    Bad(
        "a run that names no benchmark",
        ["unknown benchmark 'cevall'", "did you mean 'ceval'?"],
        ["--llm-run=a"],
        benchmark=(),
        files=config('[runs.a]\nbenchmarks = ["cevall"]\n'),
    ),
    Bad(
        "no such run",
        ["unknown run 'b'", "llmeval.toml", "known: tutorial"],
        ["--llm-run=b"],
        files=config("[runs.tutorial]\nlimit = 1\n"),
    ),
    Bad("a run without a file", ["unknown run 'b'", "llmeval.toml", "there are none"], ["--llm-run=b"]),
]

OPTIONS = [
    Bad("limit -1", ["--llm-limit", "'-1' is not a count of at least 1"], ["--llm-limit=-1"]),
    Bad("limit abc", ["--llm-limit", "'abc' is not a count", "10:20"], ["--llm-limit=abc"]),
    Bad("limit 0", ["--llm-limit", "'0' is not a count of at least 1"], ["--llm-limit=0"]),
    Bad("a reversed slice", ["--llm-limit", "'5:2' is not", "10:20"], ["--llm-limit=5:2"]),
    Bad("limit 1:2:3", ["--llm-limit", "'1:2:3' is not", "10:20"], ["--llm-limit=1:2:3"]),
    Bad("shots -1", ["--llm-shots", "'-1' is not a whole number of at least 0"], ["--llm-shots=-1"]),
    Bad("no such mode", ["--llm-mode", "'guess' is not generate or logprob"], ["--llm-mode=guess"]),
    Bad(
        "temperature -1",
        ["--llm-temperature", "'-1' is not a number of at least 0"],
        ["--llm-temperature=-1"],
    ),
    Bad(
        "temperature nan",
        ["--llm-temperature", "'nan' is not a number of at least 0"],
        ["--llm-temperature=nan"],
    ),
    Bad("rate 0", ["--llm-rate", "'0' is not a number above 0"], ["--llm-rate=0"]),
    Bad(
        "concurrency 0",
        ["--llm-concurrency", "'0' is not a whole number of at least 1"],
        ["--llm-concurrency=0"],
    ),
    Bad("a seed without a limit", ["--llm-seed", "give --llm-limit=N"], ["--llm-seed=1"]),
    Bad("-k that is none", ["'-k'", "birds and", "at column 10"], ["-k", "birds and"]),
    Bad("-m that is none", ["'-m'", "(llmeval", "at column 9"], ["-m", "(llmeval"]),
    Bad("an empty model", ["--llm-model", "'' is not a non-empty string"], model=["--llm-model="]),
    Bad("a file where reports go", ["reports", "--llm-report-dir"], files={"reports": "mine"}),
    Bad("a run name with a slash", ["--llm-run-name", "a/b"], ["--llm-run-name=a/b"]),
    Bad("a run name that leads out", ["--llm-run-name", ".."], ["--llm-run-name=.."]),
    Bad(
        "a run name that is taken for good",
        ["--llm-run-name", "choose another name"],
        ["--llm-run-name=latest"],
    ),
]

TABLE = [
    pytest.param(bad, id=f"{topic}: {bad.name}")
    for topic, rows in (
        ("model", MODELS),
        ("benchmark", BENCHMARKS),
        ("data", DATA),
        ("config", CONFIG),
        ("option", OPTIONS),
    )
    for bad in rows
]


def prepare(folder: Path, bad: Bad) -> None:
    files: dict[str, str | bytes | None] = {
        f"tiny/data/{split}/{subject}_{split}.csv": HEADER
        + (ROW.format(0) + (ROW.format(1) if more else "")).replace("？", f" {subject}？")
        for split, more in (("dev", False), ("val", True))
        for subject in ("birds", "logic")
    }
    files["tiny/benchmark.toml"] = TOML if bad.toml is None else TOML.replace(*bad.toml)
    assert bad.toml is None or files["tiny/benchmark.toml"] != TOML
    for name, content in {**files, **bad.files}.items():
        if content is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def paths(folder: Path) -> set[str]:
    """What lies in the folder, but for what pytest, pytester and Python always leave."""
    skipped = {"__pycache__", ".pytest_cache", "stdout", "stderr", "runpytest-0", "runpytest-current"}
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in found if not skipped.intersection(path.parts)}


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of this machine's keys, data folders and hub settings."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LLMEVAL_DATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_HUB_CACHE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("bad", TABLE)
def test_bad_input(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, bad: Bad, workers: str
) -> None:
    folder = pytester.path
    prepare(folder, bad)
    before = paths(folder)
    with contextlib.ExitStack() as stack:
        url = ""
        if bad.server is not None:
            url = stack.enter_context(bad.server(key="good")).url
        for name, value in bad.env.items():
            monkeypatch.setenv(name, value)
        args = [arg.replace("{url}", url) for arg in (*bad.model, *bad.benchmark, *bad.args, workers)]
        # the hub's library reads its variables when it is imported
        run = pytester.runpytest_subprocess if bad.env else pytester.runpytest
        done = run(*args)
        assert done.duration < 60
    out = done.stdout.str() + "\n" + done.stderr.str()
    for never in ("Traceback", "INTERNALERROR", KEY, "DeprecationWarning"):
        assert never not in out
    assert done.ret == bad.code
    said = [line for line in out.splitlines() if line.startswith("ERROR")]
    if bad.code == USAGE:
        assert len(said) == 1
        assert not [line for line in out.splitlines() if " × " in line]
        assert paths(folder) == before
    else:
        assert said == []
        found = json.loads((folder / "reports/latest/results.json").read_text("utf-8"))
        (result,) = found["results"]
        assert (result["counts"]["requested"], result["counts"]["error"]) == (4, bad.errors)
        assert found["run"]["complete"] is (bad.errors == 0)
        said = [line for line in out.splitlines() if line.startswith(f"{bad.errors} ×")]
        assert len(said) == min(bad.errors, 1)
    for piece in bad.says:
        assert piece in said[0]

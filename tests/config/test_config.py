"""What users write, and what comes of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.config.options import OPTIONS, SECTIONS
from pytest_llmeval.config.settings import File, Settings, parse_file, read_file, resolve
from pytest_llmeval.core.errors import UserError

TUTORIAL = """
[models.puyu]
backend = "openai"
model = "internlm2.5-latest"
base_url = "https://internlm-chat.intern-ai.org.cn/puyu/api/v1/"
api_key_env = "INTERNLM_API_KEY"
rate = 0.16
concurrency = 1
max_tokens = 1024
context = 4096
temperature = 0.01
retries = 3

[models.internlm-local]
backend = "hf"
path = "/models/internlm2_5-1_8b-chat"
max_tokens = 2048

[runs.tutorial]
models = ["puyu", "internlm-local"]
benchmarks = ["ceval", "cmmlu"]
limit = 1

[gates]
"ceval" = 0.55
"ceval:stem" = 0.40
"""


def settings(text: str = "", given: dict[str, object] | None = None, **environ: str) -> Settings:
    file = parse_file(tomllib.loads(text), "llmeval.toml")
    return resolve(given or {}, file, start=Path("/start"), environ=environ)


def test_the_design_example() -> None:
    found = settings(TUTORIAL, {"run": "tutorial"})
    assert [model.name for model in found.models] == ["puyu", "internlm-local"]
    puyu = found.models[0]
    assert (puyu.backend, puyu.target, puyu.rate, puyu.context) == (
        "openai",
        "internlm2.5-latest",
        0.16,
        4096,
    )
    assert found.models[1].target == "/models/internlm2_5-1_8b-chat"
    assert found.benchmarks == ("ceval", "cmmlu")
    assert found.limit is not None and found.limit.stop == 1
    assert found.file_gates == {"ceval": 0.55, "ceval:stem": 0.4}


def test_precedence() -> None:
    text = """
    max_tokens = 1
    shots = 1
    [models.a]
    backend = "echo"
    max_tokens = 3
    [models.b]
    backend = "echo"
    [runs.r]
    models = ["a", "b"]
    max_tokens = 2
    shots = 2
    """
    run = settings(text, {"run": "r"})
    assert [m.max_tokens for m in run.models] == [3, 2]
    assert run.shots == 2
    line = settings(text, {"run": "r", "max_tokens": "4", "shots": "0"})
    assert [m.max_tokens for m in line.models] == [4, 4]
    assert line.shots == 0
    top = settings(text, {"model": ["b"]})
    assert [m.max_tokens for m in top.models] == [1]


@pytest.mark.parametrize(
    ("spec", "backend", "target", "name"),
    [
        ("smollm2", "smollm2", "", "smollm2"),
        ("echo", "echo", "", "echo"),
        ("hf:/models/internlm2_5-1_8b-chat", "hf", "/models/internlm2_5-1_8b-chat", "internlm2_5-1_8b-chat"),
        ("hf:Qwen/Qwen3-8B", "hf", "Qwen/Qwen3-8B", "Qwen3-8B"),
        ("openai:gpt-5", "openai", "gpt-5", "gpt-5"),
        ("openai:", "openai", "", "openai"),
        ("theirs:x", "theirs", "x", "theirs:x"),
    ],
)
def test_model_specs(spec: str, backend: str, target: str, name: str) -> None:
    (model,) = settings(given={"model": [spec]}).models
    assert (model.backend, model.target, model.name) == (backend, target, name)


@pytest.mark.parametrize(
    ("spelled", "start", "stop"),
    [("5", 0, 5), ("10:20", 10, 20), (":3", 0, 3), ("4:", 4, None), ("[0:1]", 0, 1), (7, 0, 7)],
)
def test_limits(spelled: object, start: int, stop: int | None) -> None:
    limit = settings(given={"limit": spelled}).limit
    assert limit is not None
    assert (limit.start, limit.stop) == (start, stop)


BAD = [
    ("modell = 1", {}, ["modell", "did you mean 'model'"]),
    ("[models.a]\nbackend='hf'\nmax_token=3", {}, ["[models.a]", "max_token", "'max_tokens'"]),
    ("[models.a]\npath='x'", {}, ["[models.a]", "backend is missing"]),
    ("[models.a]\nbackend='openai'\napi_key='sk-123'", {}, ["api_key", "api_key_env"]),
    ("[models.a]\nbackend='hf'\nmax_tokens='many'", {}, ["[models.a]", "max_tokens", "whole number"]),
    ("models = 5", {}, ["models", "list of strings"]),
    ("runs = 5", {}, ["[runs] must be a table"]),
    ("[runs.a]\nlimits=3", {}, ["[runs.a]", "limits", "'limit'"]),
    ("[gates]\nceval=true", {}, ["[gates]", "ceval", "number"]),
    ("", {"limit": "-1"}, ["--llm-limit", "at least 1"]),
    ("", {"limit": "0"}, ["--llm-limit"]),
    ("", {"limit": "5:5"}, ["--llm-limit"]),
    ("", {"limit": "x"}, ["--llm-limit", "'x'"]),
    ("", {"shots": "-1"}, ["--llm-shots", "at least 0"]),
    ("", {"mode": "gen"}, ["--llm-mode", "generate or logprob"]),
    ("", {"rate": "0"}, ["--llm-rate", "above 0"]),
    ("", {"rate": "inf"}, ["--llm-rate"]),
    ("", {"temperature": "nan"}, ["--llm-temperature"]),
    ("", {"temperature": "auto"}, ["--llm-temperature", "a number of at least 0, or none"]),
    ("", {"model": ["smolm2"]}, ["unknown model 'smolm2'", "'smollm2'"]),
    ("", {"model": ["hf:"]}, ["hf:", "folder or a hub id"]),
    ("", {"model": ["hf:a/m", "hf:b/m"]}, ["two models", "'m'"]),
    ("", {"run": "x"}, ["unknown run 'x'"]),
    ("", {"data_dir": "/no/such/folder"}, ["/no/such/folder", "does not exist"]),
    ("", {"seed": "1"}, ["--llm-seed", "--llm-limit"]),
]


@pytest.mark.parametrize(("text", "given", "words"), BAD)
def test_mistakes_are_one_line(text: str, given: dict[str, object], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        settings(text, given)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_files(tmp_path: Path) -> None:
    assert read_file([tmp_path]) == File()
    (tmp_path / "pyproject.toml").write_text("[tool.llmeval]\nshots = 3\n")
    assert read_file([tmp_path]).values == {"shots": 3}
    (tmp_path / "llmeval.toml").write_text("\ufeffshots = 2\n", "utf-8")
    assert read_file([tmp_path]).values == {"shots": 2}
    (tmp_path / "llmeval.toml").write_text("shots = \n")
    with pytest.raises(UserError, match="not valid TOML"):
        read_file([tmp_path])
    (tmp_path / "llmeval.toml").write_bytes("run_name = '中文'".encode("gbk"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_file([tmp_path])


def test_data_dir_from_the_environment(tmp_path: Path) -> None:
    assert settings(LLMEVAL_DATA=str(tmp_path)).data_dir == tmp_path
    other = tmp_path / "other"
    other.mkdir()
    assert settings(given={"data_dir": str(other)}, LLMEVAL_DATA=str(tmp_path)).data_dir == other


json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
keys = st.one_of(st.sampled_from([o.key for o in OPTIONS] + ["models", "runs", "gates"]), st.text(max_size=6))


@given(st.dictionaries(keys, json_like, max_size=4))
def test_any_table_is_settings_or_a_user_error(table: dict[str, object]) -> None:
    try:
        resolve({}, parse_file(table, "f.toml"), start=Path("/"), environ={})
    except UserError as error:
        assert "\n" not in str(error)


def test_parameters_of_an_api_model() -> None:
    text = """
    [models.m]
    backend = "openai"
    api = "completions"
    top_p = 0.9
    sampling_seed = 3
    stream = true
    max_completion_tokens = true
    concurrency = 8
    tokens_per_minute = 60_000
    extra_body = {top_k = 20, chat_template_kwargs = {enable_thinking = false}}
    headers = {X-Team = "red"}
    """
    (model,) = settings(text, {"model": ["m"], "top_p": "0.5", "concurrency": "auto"}).models
    assert (model.api, model.top_p, model.sampling_seed, model.stream) == ("completions", 0.5, 3, True)
    assert (model.concurrency, model.tokens_per_minute, model.max_completion_tokens) == (None, 60_000, True)
    assert model.extra_body == {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}
    assert model.headers == {"X-Team": "red"} and model.share == (0, 1)
    assert "red" not in repr(model)
    (plain,) = settings("concurrency = 'auto'", {"model": ["openai:m"]}).models
    assert (plain.api, plain.concurrency, plain.stream, plain.top_p) == ("chat", None, False, None)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("top_p = 1.5", "top_p: 1.5 is not a number above 0 and up to 1"),
        ("concurrency = 'many'", "concurrency: 'many' is not a whole number of at least 1, or auto"),
        ("api = 'responses'", "api: 'responses' is not chat or completions"),
        ("extra_body = {stream = true}", "is not a table without 'stream' (use stream = true)"),
        ("headers = 'Secret-1'", "headers: this is not a table"),
        (
            "headers = {X-Key = ['Secret-1']}",
            "headers: this is not a table of HTTP headers: the value of X-Key is not",
        ),
        (
            'headers = {X-Key = "Secret-1\\n"}',
            "headers: this is not a table of HTTP headers: the value of X-Key is not",
        ),
        ("headers = {'X Key' = 'Secret-1'}", "'X Key' is not a valid header name"),
    ],
)
def test_wrong_parameters_of_an_api_model(line: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        settings(f"[models.m]\nbackend = 'openai'\n{line}", {"model": ["m"]})
    assert says in str(caught.value) and "Secret-1" not in str(caught.value)


def test_sections_of_the_help_are_in_the_order_of_the_options() -> None:
    keys = [option.key for option in OPTIONS]
    firsts = [keys.index(key) for _, key in SECTIONS]
    assert firsts == sorted(set(firsts)) and firsts[0] == 0

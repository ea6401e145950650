"""The options: each with its name on the command line and in llmeval.toml, and what it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pytest_llmeval.core.types import APIS, MODES, POLICIES, Api, Mode, Policy

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a non-empty text")
    return value


def _folder_name(value: object) -> str:
    name = _text(value)
    if name.strip() in (".", "..") or any(char in "/\\" or not char.isprintable() for char in name):
        raise ValueError("a folder's name (no path)")
    return name


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _whole(value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"a whole number of at least {least}")
    try:
        number = int(value)
    except ValueError:
        raise ValueError(f"a whole number of at least {least}") from None
    if number < least:
        raise ValueError(f"a whole number of at least {least}")
    return number


def _count(value: object) -> int:
    return _whole(value, 0)


def _positive(value: object) -> int:
    return _whole(value, 1)


def _number(value: object, *, zero: bool) -> float:
    wanted = "a number of at least 0" if zero else "a number above 0"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(wanted)
    try:
        number = float(value)
    except ValueError:
        raise ValueError(wanted) from None
    if not (number > 0 or (zero and number == 0)) or number == float("inf"):
        raise ValueError(wanted)
    return number


def _svg_file(value: object) -> str:
    """A file's name, or "" for the run's own folder (``true``, or the option without a value)."""
    if value is True:
        return ""
    if not isinstance(value, str) or not value.lower().endswith(".svg"):
        raise ValueError("a file's name that ends in .svg (write --llm-badge=FILE.svg, or --llm-badge last)")
    return value


def _plot_folder(value: object) -> str:
    """A folder, or "" for one in the run's own (``true``, or the option without a value)."""
    return "" if value is True else _text(value)


def _rate(value: object) -> float:
    return _number(value, zero=False)


def _temperature(value: object) -> float:
    return _number(value, zero=True)


def _concurrency(value: object) -> int | None:
    if value == "auto":
        return None
    try:
        return _positive(value)
    except ValueError as error:
        raise ValueError(f"{error}, or auto") from None


def _top_p(value: object) -> float:
    try:
        number = _number(value, zero=False)
    except ValueError:
        number = 2.0
    if number > 1:
        raise ValueError("a number above 0 and up to 1")
    return number


def _api(value: object) -> Api:
    for api in APIS:
        if value == api:
            return api
    raise ValueError("chat or completions")


def _mode(value: object) -> Mode:
    for mode in MODES:
        if value == mode:
            return mode
    raise ValueError("generate or logprob")


def _texts(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)):
        raise ValueError("a list of texts")
    return tuple(_text(one) for one in values)


def _drops(value: object) -> tuple[str, ...]:
    """Texts; in a file also a number."""
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    return _texts(format(Decimal(repr(value)), "f") if numeric else value)


def _policy(value: object) -> Policy:
    for policy in POLICIES:
        if value == policy:
            return policy
    raise ValueError("pass or fail")


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("a table")
    return value


def _body(value: object) -> Mapping[str, object]:
    table = _table(value)
    for key, option in (("stream", "stream = true"), ("n", "one answer to each question")):
        if key in table:
            raise ValueError(f"a table without {key!r} ({option})")
    return table


def _headers(value: object) -> Mapping[str, str]:
    table = _table(value)
    for name, text in table.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"a table of HTTP headers: {name!r} is no header's name")
        if not (isinstance(text, str) and text.isascii() and text.isprintable() and text.strip() == text):
            raise ValueError(f"a table of HTTP headers: that of {name} is no text of printable ASCII")
    return {name: str(text) for name, text in table.items()}


@dataclass(frozen=True, slots=True)
class Limit:
    """Which questions of each subject are asked: ``start:stop`` as Python slices them."""

    start: int
    stop: int | None
    spelled: str

    def __str__(self) -> str:
        return self.spelled

    @property
    def count(self) -> int | None:
        """How many at most; None for all from ``start`` on."""
        return None if self.stop is None else self.stop - self.start


def _limit(value: object) -> Limit:
    wanted = "a count of at least 1 (as in 5) or a slice (as in 10:20) for each subject"
    spelled = str(value).strip()
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(wanted)
    spelled = spelled.removeprefix("[").removesuffix("]")
    start, colon, stop = spelled.partition(":")
    try:
        low = int(start) if colon and start.strip() else 0
        high = int(stop) if colon and stop.strip() else (None if colon else int(spelled))
    except ValueError:
        raise ValueError(wanted) from None
    if low < 0 or (high is not None and high <= low):
        raise ValueError(wanted)
    return Limit(low, high, spelled)


@dataclass(frozen=True, slots=True)
class Option:
    """One option: on the command line ``--llm-NAME``, in the file ``name`` with underscores.

    ``convert`` raises ValueError with the words for what it wanted. A ``secret`` value is not shown.
    One that may stand ``bare``, without a value, then means True.
    """

    name: str
    convert: Callable[[Any], Any]
    help: str
    metavar: str | None = None
    many: bool = False
    flag: bool = False
    bare: bool = False
    model: bool = False
    secret: bool = False

    @property
    def key(self) -> str:
        """Its name in llmeval.toml and in ``Settings``."""
        return self.name.replace("-", "_")

    @property
    def dest(self) -> str:
        """Its name in pytest's ``config.option``."""
        return "llm_" + self.key


OPTIONS: tuple[Option, ...] = (
    Option(
        "model",
        _texts,
        "model to evaluate (repeatable): a name from [models.NAME]; hf:PATH_OR_ID; "
        "openai:NAME; serve:PRESET:PATH; smollm2 (embedded); echo (always the first choice)",
        "SPEC",
        many=True,
    ),
    Option(
        "benchmark",
        _texts,
        "run a packaged benchmark, your own folder or file of questions (csv, jsonl, parquet), or a task or "
        "group of lm-evaluation-harness: lm-eval:TASK (repeatable)",
        "NAME_OR_PATH",
        many=True,
    ),
    Option(
        "judge",
        _text,
        "model that judges the answers to benchmarks with metric judge: a SPEC as of --llm-model "
        "(its parameters: [judge] in llmeval.toml)",
        "SPEC",
    ),
    Option(
        "judge-labels",
        _text,
        "measure the judge (or the models given) against answers that people have labelled: "
        "a file or folder with the columns question, response, label",
        "FILE",
    ),
    Option(
        "lm-eval-path",
        _texts,
        "folder with more tasks for lm-eval:TASK, as YAML (repeatable; lm-eval's --include_path)",
        "DIR",
        many=True,
    ),
    Option("run", _text, "settings of the [runs.NAME] table in llmeval.toml", "NAME"),
    Option(
        "mode", _mode, "generate (text, then read the answer; default) or logprob (score the choices)", "MODE"
    ),
    Option("shots", _count, "worked examples before each question (default: the benchmark's)", "N"),
    Option("split", _text, "part of the benchmark to ask (default: the benchmark's)", "NAME"),
    Option("limit", _limit, "questions for each subject: a count (5) or a slice (10:20)", "N"),
    Option("seed", _count, "with --llm-limit=N: a random choice with this seed instead of the first N", "N"),
    Option(
        "repeats",
        _positive,
        "ask every question so many times: mean, pass@k, majority vote, and which questions flip",
        "N",
    ),
    Option(
        "circular",
        _flag,
        "ask every question in each rotation of its choices; right is what is right in all (CircularEval)",
        flag=True,
    ),
    Option("shuffle-choices", _count, "shuffle the choices of each question with this seed", "SEED"),
    Option("base-url", _text, "where the OpenAI-compatible API is", "URL", model=True),
    Option(
        "api-key-env",
        _text,
        "environment variable that holds the API key (default OPENAI_API_KEY)",
        "VAR",
        model=True,
    ),
    Option("max-tokens", _positive, "most tokens of an answer", "N", model=True),
    Option("temperature", _temperature, "sampling temperature (default 0: greedy)", "T", model=True),
    Option("top-p", _top_p, "sample from the likeliest tokens of this probability (API)", "P", model=True),
    Option("sampling-seed", _count, "seed of the model's sampling (API)", "N", model=True),
    Option(
        "concurrency",
        _concurrency,
        "requests in flight at once (API; default auto: as many as the server takes well)",
        "N",
        model=True,
    ),
    Option("rate", _rate, "most requests a second, fractions allowed (API)", "R", model=True),
    Option(
        "tokens-per-minute", _positive, "most tokens of prompts and answers a minute (API)", "N", model=True
    ),
    Option(
        "stream",
        _flag,
        "read answers as they are written; times the first token (API)",
        flag=True,
        model=True,
    ),
    Option("retries", _count, "how often a failed request is sent again (API; default 5)", "N", model=True),
    Option("timeout", _rate, "seconds until a request counts as failed (API; default 120)", "S", model=True),
    Option(
        "context",
        _positive,
        "most tokens of prompt and answer together; earliest shots are dropped to fit",
        "N",
        model=True,
    ),
    Option("stop", _texts, "text at which an answer ends (repeatable)", "TEXT", many=True, model=True),
    Option("device", _text, "torch device, or auto (local models)", "NAME", model=True),
    Option("dtype", _text, "torch dtype, or auto (local models)", "NAME", model=True),
    Option("batch-tokens", _positive, "most tokens in one batch (local models)", "N", model=True),
    Option(
        "ray",
        _text,
        "run replicas of a local model on the Ray cluster there: HOST:PORT, ray://HOST:PORT, auto or local",
        "ADDRESS",
        model=True,
    ),
    Option("ray-cpus", _positive, "replicas on CPUs, so many for each (default: on GPUs)", "N", model=True),
    Option("ray-gpus", _positive, "GPUs for each replica (default 1)", "N", model=True),
    Option("trust-remote-code", _flag, "run Python code that comes with a model", flag=True, model=True),
    Option("data-dir", _text, "folder with benchmark data (also: environment variable LLMEVAL_DATA)", "DIR"),
    Option(
        "cache-dir",
        _text,
        "folder for stored answers, downloaded data and the unpacked embedded model "
        "(default: ~/.cache/pytest-llmeval)",
        "DIR",
    ),
    Option("no-cache", _flag, "neither use stored answers nor store any", flag=True),
    Option(
        "replay",
        _text,
        "read and score an earlier run's answers again, without a model: its folder, its name, or latest",
        "RUN",
    ),
    Option("refresh", _flag, "ask anew what is stored, and store that", flag=True),
    Option(
        "fail-under",
        _texts,
        "gate (repeatable): 0.55, ceval=0.55, ceval:stem=0.4; exit code 1 below it; with @95%% behind it "
        "for the lower end of the interval",
        "EXPR",
        many=True,
    ),
    Option(
        "baseline",
        _text,
        "earlier run to compare with: its folder, results.json, name, or latest "
        "(RUN::MODEL for one model); none takes back the file's",
        "RUN",
    ),
    Option("baseline-force", _flag, "compare also what was asked in another way", flag=True),
    Option(
        "max-drop",
        _drops,
        "gate (repeatable): how much accuracy may be lost against the baseline: 0.02, ceval=0.02",
        "EXPR",
        many=True,
    ),
    Option(
        "inconclusive",
        _policy,
        "what becomes of a gate where there are too few questions to tell: pass (default, warns) or fail",
        "WHAT",
    ),
    Option("gate-partial", _flag, "let gates judge a run that -k or --llm-limit made smaller", flag=True),
    Option("strict", _flag, "make wrong and unparsed answers test failures", flag=True),
    Option("allow-errors", _count, "so many questions without any completion leave the run complete", "N"),
    Option(
        "allow-code",
        _flag,
        "run programs that a model wrote against their tests, in a sandbox without network (docs/code.md)",
        flag=True,
    ),
    Option("report-dir", _text, "where run folders go (default: reports)", "DIR"),
    Option("run-name", _folder_name, "name of this run's folder (default: time and model)", "NAME"),
    Option(
        "badge",
        _svg_file,
        "write an SVG badge of the accuracy (default: badge.svg in the run's folder)",
        "FILE",
        bare=True,
    ),
    Option(
        "plot",
        _plot_folder,
        "write SVG charts for a paper or a slide (default: plots/ in the run's folder)",
        "DIR",
        bare=True,
    ),
    Option(
        "show-prompts", _flag, "print the prompts of the selected questions, ask nothing, and stop", flag=True
    ),
)

#: what a [models.NAME] table has beside the options of a model
MODEL_TABLE: Mapping[str, Option] = {
    option.name: option
    for option in (
        Option("backend", _text, "hf, openai, serve, smollm2, echo, or a plugin's"),
        Option("model", _text, "the model's name at its API"),
        Option("path", _text, "folder or hub id of a local model"),
        Option("preset", _text, "the inference server to start: lmdeploy, vllm, sglang or transformers"),
        Option("command", _text, "the command that starts one; {port}, {path} and {name} are filled in"),
        Option("start_timeout", _rate, "seconds until it must answer (default 1800)"),
        Option("api", _api, "chat (default) or completions (base models, plain text)"),
        Option("max_completion_tokens", _flag, "send the token limit under this name"),
        Option("extra_body", _body, "more fields of each request to an API"),
        Option("headers", _headers, "more HTTP headers of each request to an API", secret=True),
        Option("options", _table, "a backend's own parameters"),
    )
}

#: what a [judge] table has beside the parameters of its model
JUDGE_TABLE: Mapping[str, Option] = {
    option.name: option
    for option in (
        Option("model", _text, "a SPEC, as of --llm-model"),
        Option("prompt", _text, "jinja2 template of what the judge is asked"),
        Option("rubric", _text, "what it is to grade by"),
        Option("price_in", _temperature, "price of a million tokens of prompts"),
        Option("price_out", _temperature, "price of a million tokens of replies"),
    )
}

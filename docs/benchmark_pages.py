"""Pages of the packaged benchmarks, written from their folders.

Examples of prompts are made by the harness itself: from the made-up rows of ``tests/data/protocols``, or from
the first question of a benchmark that has its data in its folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_llmeval.config.benchmark_suites import PREFIX, packaged_suites
from pytest_llmeval.core.types import ChatPrompt, Mode, Question, Request, TextPrompt
from pytest_llmeval.scoring import registry
from pytest_llmeval.suites.benchmark import Benchmark, Protocol
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.data_keys import Hub
from pytest_llmeval.suites.download_progress import size_text
from pytest_llmeval.suites.hub_client import page as hub_page
from pytest_llmeval.suites.prompts import PromptBuilder
from pytest_llmeval.suites.splits import load_questions, load_shots, locate
from tests.support import protocol_cases

#: the harnesses with a column in the index, and what they call themselves
HARNESSES = {
    "lm-eval": "lm-evaluation-harness",
    "opencompass": "OpenCompass",
    "evalscope": "evalscope",
    "simple-evals": "simple-evals",
}
_DOCS = Path(__file__).parent
_LANGUAGES = {"en": "English", "zh": "Chinese"}
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
#: commits and tags, which GitHub has addresses for
_COMMIT = re.compile(r"[0-9a-f]{7,40}|v[0-9][0-9.]*")
_ROW = re.compile(r"^\| (`[^|]+?) \| ((?:[^|\\]|\\.)+) \|", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")
#: more languages are only counted
_MOST_LANGUAGES = 3
#: texts of options longer than this are shown in benchmark.toml only
_LONGEST_OPTION = 60


@dataclass(frozen=True, slots=True)
class Example:
    """What a model is sent for one question, and which answer counts as correct.

    ``shot`` is the answer of a few-shot example in the form of the question, if the benchmark has examples
    and ``request`` shows none of them.
    """

    request: Request
    question: Question
    reply: str | None
    shot: str | None


def pages() -> dict[str, str]:
    """The page of each packaged benchmark, by name, in Markdown."""
    return {benchmark.name: page(benchmark) for benchmark in benchmarks()}


def benchmarks() -> list[Benchmark]:
    """The packaged benchmarks in the order of their names."""
    return [load(folder) for _, folder in sorted(packaged().items())]


def index() -> str:
    """Two tables with a row for each packaged benchmark: what it is, and what other harnesses call it."""
    found = benchmarks()
    others = dict.fromkeys(key for benchmark in found for key in benchmark.peers if key not in HARNESSES)
    harnesses = {**HARNESSES, **{key: key for key in others}}
    about = _table(
        ("benchmark", "what it asks", "questions", "language", "modes", "metric"), map(_index_row, found)
    )
    peers = _table(
        ("benchmark", *harnesses.values()),
        [
            (_page_link(benchmark), *(_code(benchmark.peers.get(key, "")) for key in harnesses))
            for benchmark in found
            if benchmark.peers
        ],
    )
    return f"{about}\n\n## The same benchmarks elsewhere\n\n{_PEERS}\n\n{peers}"


_PEERS = (
    "What other harnesses call the same benchmark: a task of lm-evaluation-harness, `--datasets` of "
    "OpenCompass and evalscope, `--eval` of simple-evals. The same questions do not make the same benchmark: "
    "a page says whose prompt and whose scoring it has, and which variants follow another harness."
)


def page(benchmark: Benchmark) -> str:
    """The page of one benchmark in Markdown."""
    parts = [
        f"# {benchmark.title}",
        _text(benchmark.summary),
        f"    {_command(benchmark)}",
        _table(("name", _code(benchmark.name)), _facts(benchmark)),
        *_prompts(benchmark),
        *_scoring(benchmark),
        *_cost(benchmark),
        *_data(benchmark),
        *_variants(benchmark),
        *_notes(benchmark),
        *_peers(benchmark),
        *_subjects(benchmark),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _command(benchmark: Benchmark) -> str:
    options = ["--llm-allow-code"] if registry.metrics()[benchmark.metric.name].runs_code else []
    options += ["--llm-judge=openai:gpt-4o"] if benchmark.metric.name == "judge" else []
    options += [] if "generate" in modes(benchmark) else ["--llm-mode=logprob"]
    model = "openai:gpt-4o-mini" if "generate" in modes(benchmark) else "hf:PATH"
    return " ".join(["pytest", f"--llm-model={model}", f"--llm-benchmark={benchmark.result_name}", *options])


def modes(benchmark: Benchmark) -> list[Mode]:
    """The modes in which a benchmark can be asked."""
    metric = registry.metrics()[benchmark.metric.name]
    found: list[Mode] = [] if metric.likelihood is not None else ["generate"]
    if benchmark.data.has_choices and not (metric.sets and metric.likelihood is None):
        found.append("logprob")
    return found


def _facts(benchmark: Benchmark) -> Iterator[tuple[str, str]]:
    yield "questions", _questions(benchmark)
    if len(benchmark.subjects) > 1:
        groups = f", in the groups {', '.join(map(_code, benchmark.groups))}" if benchmark.groups else ""
        yield "subjects", f"{len(benchmark.subjects)}{groups}"
    if benchmark.languages:
        yield "language", _language(benchmark)
    yield "modes", ", ".join(modes(benchmark))
    if benchmark.shots:
        yield "examples in the prompt", f"{benchmark.shots}, of split {_code(benchmark.shots_split)}"
    yield "version", f"{benchmark.version}"
    if benchmark.protocol is not None:
        yield "prompt and scoring from", _protocol(benchmark.protocol)
    yield "source", _linked(benchmark.source)
    yield "licence", _escaped(benchmark.licence)
    if benchmark.citation:
        yield "cite", _escaped(benchmark.citation)
    suites = [suite.name for suite in packaged_suites().values() if _is_in(benchmark, suite.benchmarks)]
    if suites:
        yield "suites", ", ".join(f"[`{PREFIX}{name}`](../suites.md#suites)" for name in suites)


def _is_in(benchmark: Benchmark, names: Iterable[str]) -> bool:
    return any(re.split("[@:]", name)[0] == benchmark.name for name in names)


def _questions(benchmark: Benchmark) -> str:
    count = "" if benchmark.questions is None else f"{benchmark.questions:,} in "
    others = [split for split in benchmark.splits if split != benchmark.split]
    more = f"; other splits: {', '.join(map(_code, others))}" if others else ""
    return f"{count}split {_code(benchmark.split)}{more}"


def _protocol(protocol: Protocol) -> str:
    """The source of a protocol, with links if it is a repository on GitHub and its commit is one."""
    if not _REPOSITORY.fullmatch(protocol.source):
        return _escaped(str(protocol))
    address = f"https://github.com/{protocol.source}"
    at = f" at `{protocol.commit[:12]}`" if protocol.commit else ""
    has_files = _COMMIT.fullmatch(protocol.commit) is not None
    files = [
        f"[`{file}`]({address}/blob/{protocol.commit}/{file})" if has_files else _code(file)
        for file in re.split(r",\s*", protocol.file)
        if file
    ]
    return ", ".join([f"[{protocol.source}]({address}){at}", *files])


def _prompts(benchmark: Benchmark) -> Iterator[str]:
    examples = {mode: found for mode in modes(benchmark) if (found := _example(benchmark, mode))}
    if not examples:
        return
    yield "## An example"
    question = next(iter(examples.values())).question
    kind = "The first question" if benchmark.data.inside else "A made-up question"
    word = "tests are" if registry.metrics()[benchmark.metric.name].runs_code else "gold answer is"
    gold = f" Its {word} {_inline(question.answer)}." if question.answer else ""
    yield f"{kind}, as it is sent.{gold} `--llm-show-prompts` prints the prompts of the real ones."
    for mode, example in examples.items():
        if len(modes(benchmark)) > 1:
            yield f"### Mode {mode}"
        yield from _shown(benchmark, example)


def _example(benchmark: Benchmark, mode: Mode) -> Example | None:
    """An example of a benchmark or variant, with few-shot examples if possible; None if there is none."""
    if benchmark.data.inside:
        return _first_question(benchmark, mode)
    named = [
        case
        for case in protocol_cases.load_cases().values()
        if case["benchmark"] == benchmark.result_name and case.get("mode", "generate") == mode
    ]
    if not named:
        return None
    case = max(named, key=lambda case: (bool(case.get("shots")), bool(case.get("right"))))
    _, (*shots, question) = protocol_cases.read(case)
    reply = next(iter(case.get("right", ())), None)
    shot = None if shots or not benchmark.shots else _shot(benchmark, question, mode)
    return Example(protocol_cases.request(case), question, reply, shot)


def _first_question(benchmark: Benchmark, mode: Mode) -> Example:
    layout = locate(benchmark, benchmark.split, None, _DOCS)
    question = load_questions(benchmark, layout, benchmark.split).questions[0]
    shots = load_shots(benchmark, layout, [question.subject], benchmark.shots)
    return Example(PromptBuilder(benchmark, mode, shots).request(question), question, None, None)


def _shot(benchmark: Benchmark, question: Question, mode: Mode) -> str | None:
    """The answer of a few-shot example, in the form of ``question``."""
    prompt = PromptBuilder(benchmark, mode, {question.subject: [question]}).request(question).prompt
    if isinstance(prompt, TextPrompt):
        return None
    return prompt.shots[0][-1].content


def _shown(benchmark: Benchmark, example: Example) -> Iterator[str]:
    request = example.request
    for part in request.parts or (request,):
        yield from _shown_prompt(part)
    if example.shot is not None:
        yield f"{benchmark.shots} examples come before it, each as such a turn and a turn of the assistant:"
        yield _fence(example.shot)
    if not request.choices and not request.parts:
        stop = f", or until one of {', '.join(map(_inline, request.stop))}" if request.stop else ""
        yield f"The model writes up to {request.max_tokens:,} tokens{stop}."
    if example.reply is not None:
        yield "A reply that counts as correct:"
        yield _fence(example.reply)


def _shown_prompt(request: Request) -> Iterator[str]:
    prompt = request.prompt
    if isinstance(prompt, ChatPrompt):
        for turn in prompt.messages:
            yield f"`{turn.role}`"
            yield _fence(turn.content)
        return
    yield _fence(prompt.text)
    if request.choices:
        texts = ", ".join(_inline(text) for text in request.choices.values())
        yield f"Scored after this text: {texts}."


def _scoring(benchmark: Benchmark) -> Iterator[str]:
    yield "## How it is scored"
    metric = registry.metrics()[benchmark.metric.name]
    says = _sentence(_words("metrics.md").get(benchmark.metric.name, ""))
    lines = [f"- metric [`{benchmark.metric.name}`](../metrics.md)" + (f": {says}" if says else "")]
    if options := _options(benchmark.metric.options):
        lines.append(f"- its options: {options}")
    if benchmark.metric.totals:
        totals = ", ".join(f"`{name}` = {_code(text)}" for name, text in benchmark.metric.totals.items())
        lines.append(f"- figures of the whole benchmark: {totals}")
    extractor = benchmark.extractor
    if "generate" in modes(benchmark) and metric.gold:
        rule = _sentence(_words("reading.md").get(extractor.name, "")) or "[reading answers](../reading.md)"
        lines.append(f"- extractor `{extractor.name}`: {rule}")
        if extractor.pattern is not None:
            lines.append(f"- it reads the {extractor.match} match of {_option('pattern', extractor.pattern)}")
    if benchmark.official is not None:
        rule = _sentence(_words("reading.md").get(benchmark.official, ""))
        words = f" ({rule})" if rule else ""
        lines.append(
            f"- published rule `{benchmark.official}`{words}: reports say which answers it "
            "reads differently, and [the accuracy that it gives](../reading.md#published-rules)"
        )
    if "logprob" in modes(benchmark):
        lines.append(_likelihood(benchmark))
    yield "\n".join(lines)


def _likelihood(benchmark: Benchmark) -> str:
    normalise = benchmark.logprob.normalise
    per = f", divided by the choice's length in {normalise}," if normalise != "none" else ""
    if registry.metrics()[benchmark.metric.name].likelihood is not None:
        return "- mode logprob: the score is computed from the log-probabilities of all choices"
    return f"- mode logprob: the choice with the highest log-probability{per} is the answer"


def _options(options: Mapping[str, Any]) -> str:
    """The options of a metric; long texts are in benchmark.toml."""
    return ", ".join(_option(key, value) for key, value in options.items())


def _option(key: str, value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"`{key}` = {_code(text)}" if len(text) <= _LONGEST_OPTION else f"`{key}` (in `benchmark.toml`)"


def _words(document: str) -> dict[str, str]:
    """What the tables of a page say of the names in their first column, links as in a benchmark's page."""
    words = {}
    for names, text in _ROW.findall((_DOCS / document).read_text("utf-8")):
        linked = _LINK.sub(lambda match: f"](../{match[1] or document}{match[2] or ''})", text)
        whole = document != "metrics.md" or linked.startswith("graded") or "," in names
        says = linked if whole else f"an answer is correct if {linked}"
        words |= dict.fromkeys(re.findall(r"`([^`]+)`", names), says)
    return words


def _cost(benchmark: Benchmark) -> Iterator[str]:
    yield "## What a run costs"
    lines = []
    if "generate" in modes(benchmark):
        lines.append(_tokens(benchmark))
        if benchmark.metric.name == "judge":
            lines.append("- a judge model reads each answer: one more request for each")
    if "logprob" in modes(benchmark):
        lines.append("- mode logprob: no completion tokens")
    lines.append(f"- to try it first: `--llm-limit=5` asks five questions{_of_each(benchmark)}")
    yield "\n".join(lines)


def _of_each(benchmark: Benchmark) -> str:
    return " of each subject" if len(benchmark.subjects) > 1 else ""


def _tokens(benchmark: Benchmark) -> str:
    repeats = (
        f", each asked {benchmark.repeats} times if the model samples (`--llm-repeats` sets another number)"
        if benchmark.repeats > 1
        else ""
    )
    each = f"up to {benchmark.max_tokens:,} tokens an answer"
    if benchmark.questions is None:
        return f"- {each}{repeats}"
    bound = benchmark.questions * benchmark.repeats * benchmark.max_tokens
    return f"- {benchmark.questions:,} questions{repeats}, {each}: at most {bound:,} completion tokens"


def _data(benchmark: Benchmark) -> Iterator[str]:
    yield "## Data"
    if benchmark.data.inside:
        yield "The questions are in the benchmark's folder."
        return
    hub = benchmark.data.hub
    lines = [] if hub is None else [_hub(benchmark, hub)]
    if hub is not None and hub.gated:
        lines.append("- gated: accept the terms on that page, and set `HF_TOKEN` to a token of your account")
    places = ", ".join(_code(path) for path in benchmark.data.paths)
    lines.append(f"- in the folder of `--llm-data-dir`, the first of: {places}")
    if benchmark.data.unanswered_splits:
        splits = ", ".join(map(_code, benchmark.data.unanswered_splits))
        lines.append(f"- without gold answers: split {splits}")
    yield "\n".join(lines)


def _hub(benchmark: Benchmark, hub: Hub) -> str:
    at = f" at `{hub.revision[:12]}`" if hub.revision else ", its newest version"
    size = f", {size_text(hub.bytes)}" if hub.bytes is not None else ""
    config = f", configuration {_code(hub.config)}" if hub.config else ""
    return (
        f"- on the hub: [{hub.repo}]({hub_page(hub.repo)}){config}{at}{size}; "
        f"`pytest --llm-fetch {benchmark.name}` downloads it beforehand"
    )


def _variants(benchmark: Benchmark) -> Iterator[str]:
    if not benchmark.variants:
        return
    yield "## Variants"
    yield "[Variants](../suites.md#variants) ask the same benchmark in another way."
    for name, changes in benchmark.variants.items():
        variant = load(benchmark.folder, variant=name)
        yield f"### `{variant.result_name}`"
        if variant.notes != benchmark.notes:
            yield "\n".join(f"- {_text(note)}" for note in variant.notes)
        if variant.protocol != benchmark.protocol and variant.protocol is not None:
            yield f"Prompt and scoring from {_protocol(variant.protocol)}."
        yield f"What differs: {', '.join(_differences(changes))}."
        for mode in modes(variant):
            if example := _example(variant, mode):
                yield from _shown(variant, example)


def _differences(changes: Mapping[str, Any], table: str = "") -> Iterator[str]:
    """The keys that a variant sets, with short values."""
    for key, value in changes.items():
        name = f"{table}{key}"
        if name in ("title", "protocol", "summary", "notes", "peers"):
            continue
        if isinstance(value, dict) and name not in ("metric", "extractor", "data.where"):
            yield from _differences(value, f"{name}.")
        else:
            text = json.dumps(value, ensure_ascii=False)
            yield _code(name) + (f" = {_code(text)}" if len(text) <= _LONGEST_OPTION else "")


def _notes(benchmark: Benchmark) -> Iterator[str]:
    if benchmark.notes:
        yield "## Notes"
        yield "\n".join(f"- {_text(note)}" for note in benchmark.notes)


def _peers(benchmark: Benchmark) -> Iterator[str]:
    if benchmark.peers:
        yield "## Elsewhere"
        yield _table(
            ("harness", "its name there"),
            [(HARNESSES.get(key, key), _code(name)) for key, name in benchmark.peers.items()],
        )


def _subjects(benchmark: Benchmark) -> Iterator[str]:
    if len(benchmark.subjects) < 2:
        return
    yield "## Subjects"
    first = next(iter(benchmark.groups or benchmark.subjects))
    yield f"`--llm-benchmark={benchmark.name}:{first}` asks a part: a group or a subject."
    has_chinese = any(subject.zh for subject in benchmark.subjects.values())
    rows = [
        (
            _code(subject.key),
            _escaped(subject.name),
            *((subject.zh,) if has_chinese else ()),
            *((", ".join(map(_code, subject.groups)),) if benchmark.groups else ()),
        )
        for subject in benchmark.subjects.values()
    ]
    more = [name for name, shown in (("in Chinese", has_chinese), ("groups", benchmark.groups)) if shown]
    yield _table(("subject", "name", *more), rows)


def _index_row(benchmark: Benchmark) -> tuple[str, ...]:
    count = "" if benchmark.questions is None else f"{benchmark.questions:,}"
    return (
        _page_link(benchmark),
        _text(benchmark.summary) or _escaped(benchmark.title),
        count,
        _language(benchmark),
        ", ".join(modes(benchmark)),
        _code(benchmark.metric.name),
    )


def _page_link(benchmark: Benchmark) -> str:
    return f"[`{benchmark.name}`](benchmarks/{benchmark.name}.md)"


def _language(benchmark: Benchmark) -> str:
    codes = benchmark.languages
    if len(codes) > _MOST_LANGUAGES:
        return f"{len(codes)} languages"
    return ", ".join(_LANGUAGES.get(code, code) for code in codes)


def _sentence(text: str) -> str:
    return text.strip().rstrip(".")


def _linked(text: str) -> str:
    return f"<{text}>" if text.startswith("https://") else _escaped(text)


def _text(text: str) -> str:
    """A text of a benchmark.toml, in which backquotes mark code and nothing else is markup."""
    return "".join(
        part if number % 2 else _escaped(part) for number, part in enumerate(re.split(r"(`[^`]+`)", text))
    )


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_|\[\]<])", r"\\\1", text)


def _code(text: str) -> str:
    """A text as code on one line, in or outside a table; empty for an empty one."""
    if not re.search(r"[`<&|]", text):
        return f"`{text}`" if text else ""
    # MkDocs reads Markdown as HTML too, and stumbles over code such as (?<![A-Z])
    safe = "".join(char if char.isalnum() or char == " " else f"&#{ord(char)};" for char in text)
    return f"<code>{safe}</code>"


def _inline(text: str | None) -> str:
    """A text with its blanks and line breaks as code."""
    return _code(json.dumps(text, ensure_ascii=False))


def _fence(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks} text\n{text}\n{marks}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

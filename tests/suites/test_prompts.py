"""Prompts are protocol: byte for byte as published. The golden files were written from the design's text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import ChatPrompt, Message, Mode, Question, Request, TextPrompt
from pytest_llmeval.scoring.templates import check_template
from pytest_llmeval.suites.catalog import load, packaged
from pytest_llmeval.suites.prompts import PromptBuilder
from pytest_llmeval.suites.questions import read_table
from pytest_llmeval.suites.spec import Benchmark, parse
from pytest_llmeval.suites.splits import load_questions, load_shots, locate
from tests.support.paths import DATA

GOLDEN = DATA / "prompts"


def golden_request(name: str, mode: Mode, shots: int) -> Request:
    """The one question under tests/data/prompts, with its first shots."""
    benchmark = load(packaged()[name])
    located = locate(benchmark, benchmark.split, GOLDEN / name, GOLDEN / "nothing")
    (question,) = load_questions(benchmark, located, benchmark.split).questions
    examples = load_shots(benchmark, located, [question.subject], shots)
    return PromptBuilder(benchmark, mode, examples).request(question)


def marked(turns: Iterable[Message]) -> str:
    return "".join(f"<<{turn.role}>>{turn.content}<<end>>\n" for turn in turns)


@pytest.mark.parametrize("shots", [0, 1, 5])
@pytest.mark.parametrize("name", ["ceval", "cmmlu"])
def test_generate(name: str, shots: int) -> None:
    request = golden_request(name, "generate", shots)
    assert isinstance(request.prompt, ChatPrompt)
    wanted = (GOLDEN / f"{name}-generate-{shots}.txt").read_bytes()
    assert marked(request.prompt.messages).encode() == wanted
    assert (len(request.prompt.shots), request.prompt.system) == (shots, ())
    assert dict(request.choices) == {}


@pytest.mark.parametrize("shots", [0, 1, 5])
@pytest.mark.parametrize("name", ["ceval", "cmmlu"])
def test_logprob(name: str, shots: int) -> None:
    request = golden_request(name, "logprob", shots)
    assert isinstance(request.prompt, TextPrompt)
    wanted = (GOLDEN / f"{name}-logprob-{shots}.txt").read_bytes()
    assert request.prompt.text.encode() == wanted
    assert len(request.prompt.shots) == shots
    assert list(request.choices.items()) == [("A", " A"), ("B", " B"), ("C", " C"), ("D", " D")]


ROWS = """id,question,A,B,C,D,answer
0, 一年有几季？ ,一,二,三,四,D
1,蜘蛛有几条腿？,四,六,八,十,C
"""


def rows(benchmark: Benchmark, subject: str) -> list[Question]:
    return read_table(ROWS.encode(), Path("t.csv"), benchmark, subject, True)


def test_ceval_generate_to_the_letter() -> None:
    ceval = load(packaged()["ceval"])
    shot, question = rows(ceval, "high_school_biology")
    prompt = PromptBuilder(ceval, "generate", {"high_school_biology": [shot]}).request(question).prompt
    assert isinstance(prompt, ChatPrompt)
    assert prompt.messages == (
        Message(
            "user",
            "以下是中国关于高中生物考试的单项选择题，请选出其中的正确答案。\n"
            " 一年有几季？ \nA. 一\nB. 二\nC. 三\nD. 四\n答案: ",
        ),
        Message("assistant", "D"),
        Message(
            "user",
            "以下是中国关于高中生物考试的单项选择题，请选出其中的正确答案。\n"
            "蜘蛛有几条腿？\nA. 四\nB. 六\nC. 八\nD. 十\n答案: ",
        ),
    )


def test_cmmlu_generate_to_the_letter() -> None:
    cmmlu = load(packaged()["cmmlu"])
    shot, question = read_table(
        ROWS.replace("id,question", ",Question").replace("answer", "Answer").encode(),
        Path("t.csv"),
        cmmlu,
        "food_science",
        True,
    )
    prompt = PromptBuilder(cmmlu, "generate", {"food_science": [shot]}).request(question).prompt
    assert isinstance(prompt, ChatPrompt)
    assert prompt.messages == (
        Message(
            "user",
            "以下是关于食品科学的单项选择题，请直接给出正确答案的选项。\n"
            "题目： 一年有几季？ \nA. 一\nB. 二\nC. 三\nD. 四",
        ),
        Message("assistant", "答案是: D"),
        Message(
            "user",
            "以下是关于食品科学的单项选择题，请直接给出正确答案的选项。\n"
            "题目：蜘蛛有几条腿？\nA. 四\nB. 六\nC. 八\nD. 十",
        ),
    )


def test_ceval_logprob_to_the_letter() -> None:
    ceval = load(packaged()["ceval"])
    shot, question = rows(ceval, "high_school_biology")
    prompt = PromptBuilder(ceval, "logprob", {"high_school_biology": [shot]}).request(question).prompt
    assert prompt.text == (
        "以下是中国关于高中生物的单项选择题，请选出其中的正确答案。\n\n"
        "一年有几季？\nA. 一\nB. 二\nC. 三\nD. 四\n答案： D\n\n"
        "蜘蛛有几条腿？\nA. 四\nB. 六\nC. 八\nD. 十\n答案："
    )


# benchmarks of the user's own


def own(text: str = "") -> Benchmark:
    return parse(tomllib.loads(text), Path("/own/benchmark.toml"))


def builder(text: str = "", mode: Mode = "generate", shots: int = 0) -> tuple[PromptBuilder, Question]:
    benchmark = own(text)
    shot, question = rows(benchmark, "birds")
    return PromptBuilder(benchmark, mode, {"birds": [shot] * shots} if shots else {}), question


def asked(text: str = "", mode: Mode = "generate", shots: int = 0) -> str:
    build, question = builder(text, mode, shots)
    return build.request(question).prompt.text


def test_default_prompts() -> None:
    question = "蜘蛛有几条腿？\nA. 四\nB. 六\nC. 八\nD. 十\nAnswer:"
    shot = " 一年有几季？ \nA. 一\nB. 二\nC. 三\nD. 四\nAnswer:"
    assert asked() == question
    assert asked(mode="logprob", shots=1) == f"{shot} D\n\n{question}"
    build, row = builder(shots=1)
    prompt = build.request(row).prompt
    assert isinstance(prompt, ChatPrompt)
    assert prompt.shots == ((Message("user", shot), Message("assistant", "D")),)
    assert prompt.question == (Message("user", question),)


def test_a_system_turn_comes_first() -> None:
    build, question = builder("[prompts.generate]\nsystem = 'You know {{ subject_name }}.'", shots=2)
    prompt = build.request(question).prompt
    assert isinstance(prompt, ChatPrompt)
    assert prompt.system == (Message("system", "You know birds."),)
    assert [turn.role for turn in prompt.messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]


def test_names_of_subjects() -> None:
    template = "[prompts.generate]\nuser = '{{ subject }}|{{ subject_name }}|{{ subject_zh }}'\n"
    assert asked(template) == "birds|birds|birds"
    assert asked(template + "[subjects]\nbirds = {name = 'Birds', zh = '鸟类'}") == "birds|Birds|鸟类"
    assert asked(template + "[subjects]\nbirds = {name = 'Birds'}") == "birds|Birds|Birds"


def test_templates_tell_shots_from_the_question() -> None:
    text = "[prompts.generate]\nuser = '{{ question }}{{ \"\" if is_shot else \"!\" }}'\nshots_as = 'text'\n"
    assert asked(text, shots=1).count("!") == 1 and asked(text, shots=1).endswith("!")
    logprob = '[prompts.logprob]\nquestion = \'{{ question }}{{ "" if is_shot else "!" }}\'\n'
    made = asked(logprob, "logprob", shots=1)
    assert made.count("!") == 1 and made.endswith("!")


def test_each_subject_has_shots_and_description_of_its_own() -> None:
    text = "[prompts.logprob]\ndescription = '{{ subject_zh }}：'\n"
    benchmark = own(text + "[subjects]\nbirds = {zh = '鸟类'}\ntrees = {zh = '树木'}")
    shot, first = rows(benchmark, "birds")
    other, second = rows(benchmark, "trees")
    build = PromptBuilder(benchmark, "logprob", {"birds": [shot], "trees": [other, other]})
    for question, start, count in ((first, "鸟类：", 1), (second, "树木：", 2), (first, "鸟类：", 1)):
        prompt = build.request(question).prompt
        assert isinstance(prompt, TextPrompt)
        assert (prompt.description, len(prompt.shots)) == (start, count)


def test_separator_and_continuations() -> None:
    text = "[prompts.logprob]\nseparator = '=='\nquestion = 'Q{{ A }}'\nanswer = 'A{{ answer }}'\n"
    assert asked(text, "logprob", 2) == "Q一AD==Q一AD==Q四"
    build, question = builder("[prompts.logprob]\nchoice = ' {{ label }}) {{ choices[label] }}'", "logprob")
    assert dict(build.request(question).choices) == {
        "A": " A) 四",
        "B": " B) 六",
        "C": " C) 八",
        "D": " D) 十",
    }


@pytest.mark.parametrize("mode", ["generate", "logprob"])
@pytest.mark.parametrize(
    "text",
    [
        "{{ 7*7 }}",
        "{% raw %}",
        "{% for x in range(9) %}",
        "{# x #}",
        "{{ answer }}",
        "<b>&amp;'\"</b>",
        "<|im_end|><s>[INST]",
        "%s {0} {question} $A \\n",
        "a\r\nb\tc\u2028d",
    ],
)
def test_text_of_rows_is_never_a_template(mode: Mode, text: str) -> None:
    benchmark = own()
    cells = {"question": text, "A": text, "B": "b", "C": "c", "D": "d"}
    question = Question("own", "birds", "0", cells, {key: cells[key] for key in "ABCD"}, "A")
    prompt = PromptBuilder(benchmark, mode, {"birds": [question]}).request(question).prompt.text
    wanted = f"{text}\nA. {text}\nB. b\nC. c\nD. d\nAnswer:"
    assert prompt == (f"{wanted}\nA\n{wanted}" if mode == "generate" else f"{wanted} A\n\n{wanted}")


@given(st.text(max_size=40))
def test_any_text_arrives_whole(text: str) -> None:
    cells = {"question": text, "A": "a", "B": "b", "C": "c", "D": "d"}
    question = Question("own", "birds", "0", cells, {key: cells[key] for key in "ABCD"}, None)
    assert PromptBuilder(own(), "generate", {}).request(question).prompt.text == (
        f"{text}\nA. a\nB. b\nC. c\nD. d\nAnswer:"
    )


# what goes along with the prompt


def test_parameters_are_handed_on() -> None:
    build, question = builder('max_tokens = 7\nstop = "\\n\\n"')
    default = build.request(question)
    assert (default.max_tokens, default.temperature, default.stop) == (7, 0.0, ("\n\n",))
    given = build.request(question, max_tokens=99, temperature=0.5, stop=("X", "Y"))
    assert (given.max_tokens, given.temperature, given.stop) == (99, 0.5, ("\n\n", "X", "Y"))
    assert build.request(question, temperature="none").temperature is None
    assert builder()[0].request(question).max_tokens == 1024


# what is asked has a name


def digest(text: str = "", mode: Mode = "generate", shots: int = 0) -> str:
    return builder(text, mode, shots)[0].sha256


def test_the_hash_changes_with_what_is_asked() -> None:
    changed = [
        digest(),
        digest("[prompts.generate]\nuser = '{{ question }}'"),
        digest("[prompts.generate]\nsystem = ''"),
        digest("[prompts.generate]\nassistant = '{{ answer }}.'"),
        digest(mode="logprob"),
        digest("[prompts.logprob]\nchoice = '{{ label }}'", "logprob"),
        digest("[prompts.logprob]\nseparator = ''", "logprob"),
        digest(shots=1),
        digest(shots=2),
        digest("[subjects]\nbirds = {name = 'Birds'}"),
        digest("[subjects]\nbirds = {name = 'Birds', zh = '鸟类'}"),
    ]
    assert len(set(changed)) == len(changed)
    assert all(len(value) == 64 and set(value) <= set("0123456789abcdef") for value in changed)


def test_the_hash_changes_with_a_shots_text() -> None:
    benchmark = own()
    other = read_table(ROWS.replace("几季", "几月").encode(), Path("t.csv"), benchmark, "birds", True)
    built = [
        PromptBuilder(benchmark, "generate", {"birds": shots})
        for shots in (rows(benchmark, "birds"), other, rows(benchmark, "birds")[::-1])
    ]
    assert len({build.sha256 for build in built}) == 3


def test_the_hash_is_only_of_what_is_asked() -> None:
    assert digest() == digest()
    assert digest() == digest("title = 'x'\nmax_tokens = 3")
    assert digest() == digest("[prompts.logprob]\nseparator = ''")  # not the mode asked in
    build, question = builder()
    before = build.sha256
    build.request(question)
    assert build.sha256 == before


# templates with mistakes


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ qestion }}", "unknown field 'qestion' in here; did you mean 'question'?"),
        ("{{ E }}", "unknown field 'E' in here; known: A, question"),
        ("{% for x in y %}{% endfor %}", "unknown field 'y' in here"),
        ("{{ A", "here: not a valid template: "),
        ("{% if A %}", "here: not a valid template: "),
        ("{% nonsense %}", "here: not a valid template: "),
        ("{{ A | nonsense }}", "here: not a valid template: No filter named 'nonsense'"),
    ],
)
def test_check_template(template: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        check_template(template, ["A", "question"], "here")
    assert str(caught.value).startswith(said) and str(caught.value).isprintable()


def test_check_template_accepts() -> None:
    check_template(
        "{% for x in question %}{{ loop.index }}{{ x | trim }}{% endfor %} {{ A }}", ["A", "question"], ""
    )


@pytest.mark.parametrize(
    "template",
    [
        "{{ choices.E }}",
        "{{ question + 1 }}",
        "{{ question.split('no')[1] }}",
        "{% include 'x' %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ question.format.__globals__ }}",
        "{% for a in question * 10000000 %}{{ a / 0 }}{% endfor %}",
    ],
)
@pytest.mark.parametrize("mode", ["generate", "logprob"])
def test_a_template_that_fails_with_a_row_is_one_line(mode: Mode, template: str) -> None:
    key = "user" if mode == "generate" else "question"
    text = f'[prompts.{mode}]\n{key} = "{template}"'
    build, question = builder(text, mode)
    with pytest.raises(UserError) as caught:
        build.request(question)
    said = str(caught.value)
    assert said.startswith(f"/own/benchmark.toml [prompts.{mode}]: a template fails for own/birds/1: ")
    assert said.isprintable() and len(said) < 300


def test_nothing_to_score() -> None:
    benchmark = own("data.choices = []")
    with pytest.raises(UserError) as caught:
        PromptBuilder(benchmark, "logprob", {})
    assert str(caught.value) == (
        "own: it has no choices to score; use --llm-mode=generate "
        "(or name choice columns in /own/benchmark.toml [data])"
    )
    question = Question("own", "birds", "0", {"question": "2+2?"}, {}, "4")
    assert PromptBuilder(benchmark, "generate", {}).request(question).prompt.text == "2+2?\nAnswer:"

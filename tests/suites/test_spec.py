"""What a benchmark.toml may say, what is said back, and where benchmarks are found."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.catalog import find, load, load_all, packaged
from pytest_llmeval.suites.spec import FILE_NAME, Benchmark, ExtractorSpec, parse, scoring

CEVAL = """
computer_network operating_system computer_architecture college_programming college_physics
college_chemistry advanced_mathematics probability_and_statistics discrete_mathematics
electrical_engineer metrology_engineer high_school_mathematics high_school_physics
high_school_chemistry high_school_biology middle_school_mathematics middle_school_biology
middle_school_physics middle_school_chemistry veterinary_medicine
college_economics business_administration marxism mao_zedong_thought education_science
teacher_qualification high_school_politics high_school_geography middle_school_politics
middle_school_geography
modern_chinese_history ideological_and_moral_cultivation logic law chinese_language_and_literature
art_studies professional_tour_guide legal_professional high_school_chinese high_school_history
middle_school_history
civil_servant sports_science plant_protection basic_medicine clinical_medicine
urban_and_rural_planner accountant fire_engineer environmental_impact_assessment_engineer tax_accountant
physician
"""


@pytest.fixture
def ceval() -> Benchmark:
    return load(packaged()["ceval"])


@pytest.fixture
def cmmlu() -> Benchmark:
    return load(packaged()["cmmlu"])


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a benchmark.toml into a folder and returns the folder."""

    def write(text: str | bytes, folder: str = "own") -> Path:
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / FILE_NAME).write_bytes(text if isinstance(text, bytes) else text.encode())
        return place

    return write


def sizes(benchmark: Benchmark) -> dict[str, int]:
    return {group: len(keys) for group, keys in benchmark.groups.items()}


def test_ceval(ceval: Benchmark) -> None:
    assert list(ceval.subjects) == CEVAL.split()
    assert sizes(ceval) == {"stem": 20, "social-science": 10, "humanities": 11, "other": 11, "hard": 8}
    assert set(ceval.groups["hard"]) == {
        "advanced_mathematics",
        "discrete_mathematics",
        "probability_and_statistics",
        "college_chemistry",
        "college_physics",
        "high_school_mathematics",
        "high_school_chemistry",
        "high_school_physics",
    }
    assert set(ceval.groups["hard"]) < set(ceval.groups["stem"])
    four = [group for group in ceval.groups if group != "hard"]
    assert all(sum(key in ceval.groups[group] for group in four) == 1 for key in ceval.subjects)
    assert (ceval.split, ceval.shots, ceval.shots_split) == ("val", 5, "dev")
    assert {"val", "test"} <= set(ceval.splits)
    assert ceval.data.unanswered_splits == ("test",)
    assert ceval.data.hub is not None
    assert (ceval.data.hub.repo, ceval.data.hub.files) == ("ceval/ceval-exam", ("ceval-exam.zip",))
    assert (ceval.subjects["accountant"].name, ceval.subjects["accountant"].zh) == (
        "Accountant",
        "注册会计师",
    )
    assert (ceval.name, ceval.title, ceval.extractor.name) == ("ceval", "C-Eval", "choice")
    assert "CC BY-NC-SA 4.0" in ceval.licence and "Huang" in ceval.citation and ceval.source


def test_cmmlu(cmmlu: Benchmark) -> None:
    assert len(cmmlu.subjects) == 67
    assert sizes(cmmlu) == {
        "stem": 17,
        "humanities": 13,
        "social-science": 22,
        "other": 15,
        "china-specific": 15,
    }
    assert {"china-specific"} | {"stem", "humanities", "social-science", "other"} == set(cmmlu.groups)
    assert (cmmlu.split, cmmlu.shots, cmmlu.shots_split) == ("test", 5, "dev")
    assert cmmlu.data.unanswered_splits == ()
    assert cmmlu.data.hub is not None
    assert (cmmlu.data.hub.repo, cmmlu.data.hub.files) == ("haonan-li/cmmlu", ("cmmlu_v1_0_1.zip",))
    assert cmmlu.subjects["agronomy"].zh == "农学"
    assert "elementary_chinese" in cmmlu.groups["china-specific"]
    assert "CC BY-NC 4.0" in cmmlu.licence and "Li et al." in cmmlu.citation


@pytest.mark.parametrize("name", sorted(packaged()))
def test_what_every_packaged_benchmark_has(name: str) -> None:
    benchmark = load(packaged()[name])
    assert benchmark.name == name == benchmark.folder.name
    assert benchmark.title and benchmark.source and benchmark.licence
    assert (benchmark.folder / f"test_{name}.py").is_file()
    for key, subject in benchmark.subjects.items():
        assert subject.key == key and key.isascii()
        assert subject.name
        assert name not in ("ceval", "cmmlu", "mini") or (subject.zh and not subject.zh.isascii())
        assert subject.groups or name not in ("ceval", "cmmlu", "mmlu")
        assert len(set(subject.groups)) == len(subject.groups)
        assert all(key in benchmark.groups[group] for group in subject.groups)
    chinese = [subject.zh for subject in benchmark.subjects.values() if subject.zh]
    assert len(set(chinese)) == len(chinese)


def test_real_files(real_data: Path, ceval: Benchmark, cmmlu: Benchmark) -> None:
    dev = {file.name.removesuffix("_dev.csv") for file in (real_data / "ceval/formal_ceval/dev").iterdir()}
    assert dev == set(ceval.subjects)
    for split in ("dev", "test"):
        assert {file.stem for file in (real_data / "cmmlu" / split).glob("*.csv")} <= set(cmmlu.subjects)


def test_a_file_alone_is_a_benchmark(write: Write) -> None:
    folder = write("")
    benchmark = load(folder)
    assert (benchmark.name, benchmark.title, benchmark.folder) == ("own", "own", folder)
    assert (benchmark.split, benchmark.splits, benchmark.shots_split) == ("test", ("test",), "dev")
    assert (benchmark.shots, benchmark.max_tokens, benchmark.stop) == (0, 1024, ())
    assert (dict(benchmark.subjects), dict(benchmark.groups)) == ({}, {})
    data = benchmark.data
    assert (data.format, data.inside, data.id, data.ids, data.subject, data.hub) == (
        "csv",
        True,
        None,
        "number",
        None,
        None,
    )
    assert data.paths == ("data/{split}/{subject}.csv", "{split}.csv", "data.csv")
    assert (data.question, data.choices, data.answer) == ("question", ("A", "B", "C", "D"), "answer")
    assert benchmark.generate.system is None
    assert benchmark.file == folder / FILE_NAME


def test_defaults_follow_what_is_said(write: Write) -> None:
    benchmark = load(write('[data]\nformat = "jsonl"\nid = "key"\n[data.hub]\nrepo = "r/r"\nfile = "f.zip"'))
    assert benchmark.data.paths[-1] == "data.jsonl"
    assert benchmark.data.ids == "text"
    assert not benchmark.data.inside
    assert load(write("[subjects]\nlaw = {}", "b")).shots == 5
    assert load(write("shots = 2", "c")).shots == 2
    law = load(write('[subjects]\nlaw = {groups = "x"}', "d")).subjects["law"]
    assert (law.name, law.zh, law.groups) == ("law", "", ("x",))
    assert load(write('stop = "\\n"', "e")).stop == ("\n",)
    assert load(write('name = "2-wiki"', "f")).name == "2-wiki"


def test_the_format_is_what_the_first_path_ends_in(write: Write) -> None:
    assert load(write('[data]\npaths = ["q.jsonl", "q.csv"]')).data.format == "jsonl"
    assert load(write('[data]\nformat = "csv"\npaths = ["q.jsonl"]', "b")).data.format == "csv"
    assert load(write('[data]\npaths = ["q.txt"]', "c")).data.format == "csv"


def test_a_byte_order_mark_is_no_mistake(write: Write) -> None:
    assert load(write(b'\xef\xbb\xbfname = "x"')).name == "x"


SUBJECT_TEMPLATES = "known: subject, subject_name, subject_zh"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('nmae = "x"', "unknown key 'nmae' in {file}; did you mean 'name'?"),
        ("[data]\nfomat = 'csv'", "unknown key 'fomat' in {file} [data]; did you mean 'format'?"),
        (
            "[data.hub]\nrepo = 'r'\nfiel = 'f'",
            "unknown key 'fiel' in {file} [data.hub]; did you mean 'file'?",
        ),
        ("[data.hub]\nrepo = 'r'\nfile = []", "{file} [data.hub]: file: the list is empty"),
        ("[data.hub]\nfile = 'f'", "{file} [data.hub]: repo is missing"),
        ("[prompts.generat]", "unknown key 'generat' in {file} [prompts]; did you mean 'generate'?"),
        (
            "[prompts.generate]\nusr = ''",
            "unknown key 'usr' in {file} [prompts.generate]; did you mean 'user'?",
        ),
        ("[prompts.logprob]\nuser = ''", "unknown key 'user' in {file} [prompts.logprob]"),
        ("[subjects]\nlaw = {nam = 'x'}", "unknown key 'nam' in {file} [subjects] law; did you mean 'name'?"),
        ("[subjects]\nlaw = 'Law'", "{file} [subjects] law: must be a table"),
        ("[subjects]\n'a b' = {}", "{file} [subjects] a b: not a key of ASCII letters"),
        ("[subjects]\n'法' = {}", "{file} [subjects] 法: not a key of ASCII letters"),
        (
            "[subjects]\n'../x' = {}",
            "{file} [subjects] ../x: not a key of ASCII letters",
        ),
        (
            '[subjects]\n"a\\nb" = {}',
            "{file} [subjects] a b: not a key of ASCII letters",
        ),
        ("[subjects]\nlaw = {groups = [1]}", "{file} [subjects] law: groups: [1] is not a list of strings"),
        ("name = 3", "{file}: name: 3 is not a name of ASCII letters"),
        ("name = ''", "{file}: name: '' is not a name of ASCII letters, digits, - and _"),
        ("name = 'a b'", "{file}: name: 'a b' is not a name of ASCII letters"),
        ("name = '-k'", "{file}: name: '-k' is not a name of ASCII letters"),
        ('name = "a\\n"', "{file}: name: 'a\\n' is not a name of ASCII letters"),
        ("shots = 'five'", "{file}: shots: 'five' is not a whole number"),
        ("shots = true", "{file}: shots: True is not a whole number"),
        ("shots = 1.5", "{file}: shots: 1.5 is not a whole number"),
        ("shots = -1", "{file}: shots: -1 is not a whole number of at least 0"),
        ("max_tokens = 0", "{file}: max_tokens: 0 is not a whole number of at least 1"),
        ("stop = [1]", "{file}: stop: [1] is not a list of strings"),
        ("stop = 1", "{file}: stop: 1 is not a list of strings"),
        ("data = 3", "{file}: data: 3 is not a table"),
        ("prompts = []", "{file}: prompts: [] is not a table"),
        ("subjects = ['law']", "{file}: subjects: ['law'] is not a table"),
        ("[data]\nhub = 'x'", "{file} [data]: hub: 'x' is not a table"),
        ("[data]\ninside = 'yes'", "{file} [data]: inside: 'yes' is not true or false"),
        (
            "[data]\nformat = 'jsnl'",
            "{file} [data]: format: 'jsnl' is not csv, tsv, json, jsonl or parquet; did you mean 'jsonl'?",
        ),
        (
            "[data]\nids = 'numbers'",
            "{file} [data]: ids: 'numbers' is not number or text; did you mean 'number'?",
        ),
        ("[data]\nchoices = ['A', 'A']", "{file} [data]: choices: a label occurs twice in A, A"),
        ("[data]\npaths = []", "{file} [data]: paths: the list is empty"),
        (
            "[data]\npaths = ['{spilt}.csv']",
            "{file} [data]: paths: '{spilt}.csv' may only use {split} and {subject}",
        ),
        ("[data]\npaths = ['{}.csv']", "{file} [data]: paths: '{}.csv' may only use"),
        ("[data]\npaths = ['{split']", "{file} [data]: paths: '{split' may only use"),
        ("[data]\npaths = ['{split.x}']", "{file} [data]: paths: '{split.x}' may only use"),
        ("[data]\npaths = ['{split!r}']", "{file} [data]: paths: '{split!r}' may only use"),
        ("[data]\npaths = ['{split:>99999}']", "{file} [data]: paths: '{split:>99999}' may only use"),
        (
            "extractor = {name = 'text', pattern = '(', match = 'last'}",
            "{file} [extractor]: pattern: not a regular expression",
        ),
        ("extractor = {match = 'lst'}", "{file} [extractor]: match: 'lst' is not last or first"),
        ("extractor = 'choise'", "unknown extractor 'choise' in {file}; did you mean 'choice'?"),
        ("split = 'val'\nsplits = ['vall']", "unknown split 'val' in {file}; did you mean 'vall'?"),
        ("splits = []", "unknown split 'test' in {file}"),
        (
            "[prompts.generate]\nuser = '{{ qestion }}'",
            "unknown field 'qestion' in {file} [prompts.generate] user; did you mean 'question'?",
        ),
        (
            "[prompts.generate]\nuser = '{{ E }}'",
            "unknown field 'E' in {file} [prompts.generate] user; known: A, B",
        ),
        (
            "[prompts.generate]\nuser = '{{ label }}'",
            "unknown field 'label' in {file} [prompts.generate] user",
        ),
        ("[prompts.generate]\ndescription = '{{ question }}'", SUBJECT_TEMPLATES),
        (
            "[data]\nanswer_separator = '|'",
            "{file} [data]: answer_separator must be a text between right answers, of questions without "
            "choices",
        ),
        ("[prompts.logprob]\ndescription = '{{ question }}'", SUBJECT_TEMPLATES),
        (
            "[prompts.logprob]\nchoice = '{{ lable }}'",
            "in {file} [prompts.logprob] choice; did you mean 'label'?",
        ),
        ("[prompts.generate]\nuser = '{{ A'", "{file} [prompts.generate] user: not a valid template:"),
        ("[prompts.generate]\nuser = '{{ A | trm }}'", "not a valid template: No filter named 'trm'"),
        ("[prompts.generate]\nuser = '{% if A %}'", "{file} [prompts.generate] user: not a valid template:"),
        ("name = 'x", "{file}: not valid TOML: "),
        ("name = 'x'\nname = 'y'", "{file}: not valid TOML: "),
        ("x = " + "[" * 100_000, "{file}: not valid TOML: "),
        ('name = "题"'.encode("gbk"), "{file}: not UTF-8; save the file as UTF-8"),
        ('name = "x"'.encode("utf-16"), "{file}: not UTF-8; save the file as UTF-8"),
    ],
)
def test_one_line_says_what_is_wrong(write: Write, text: str | bytes, said: str) -> None:
    folder = write(text)
    with pytest.raises(UserError) as caught:
        load(folder)
    message = str(caught.value)
    assert said.replace("{file}", str(folder / FILE_NAME)) in message
    assert message.isprintable()
    assert len(message) < len(str(folder)) + 300


def test_templates_may_name_declared_columns(write: Write) -> None:
    text = "[data]\ncolumns = ['hint']\n[prompts.generate]\nuser = '{{ hint }} {{ question }}'"
    assert load(write(text)).generate.user == "{{ hint }} {{ question }}"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file") as caught:
        load(tmp_path)
    assert str(tmp_path / FILE_NAME) in str(caught.value)


def test_load_takes_the_file_too(write: Write) -> None:
    folder = write("")
    assert load(folder / FILE_NAME).folder == folder


def test_read_again_only_when_changed(write: Write) -> None:
    folder = write("shots = 1")
    first = load(folder)
    assert load(folder) is first
    write("shots = 12")
    assert load(folder).shots == 12
    write("shots = 13")  # as long as before, so only its time tells
    stat = (folder / FILE_NAME).stat()
    os.utime(folder / FILE_NAME, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    assert load(folder).shots == 13


def test_a_mistake_is_told_again(write: Write) -> None:
    folder = write("shots = 1")
    load(folder)
    write("shots = 'x'")
    for _ in range(2):
        with pytest.raises(UserError):
            load(folder)


def test_parse_names_the_folder(tmp_path: Path) -> None:
    assert parse(tomllib.loads(""), tmp_path / "mine" / FILE_NAME).name == "mine"


def test_find_by_name(tmp_path: Path) -> None:
    assert find("ceval", tmp_path) == packaged()["ceval"]
    assert {"ceval", "cmmlu"} <= set(packaged())


def test_find_by_folder(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = write("", "some/own")
    assert find("some/own", tmp_path) == own
    assert find(str(own), Path("/")) == own
    assert find("some/own/benchmark.toml", tmp_path) == own
    assert find("../own", tmp_path / "some/own") == own
    assert find(".", own) == own
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find("~/some/own", Path("/")) == own


def test_find_near(write: Write, tmp_path: Path) -> None:
    own = write('name = "mine"', "own")
    assert find("mine", own) == own  # a test beside its benchmark.toml
    inside = write("", "benchmarks/birds")
    assert find("birds", tmp_path) == inside


def test_a_folder_of_the_users_own_comes_before_a_packaged_one(write: Write, tmp_path: Path) -> None:
    own = write('title = "ours"', "benchmarks/ceval")
    assert find("ceval", tmp_path) == own
    other = write('name = "another"', "here")
    assert find("ceval", other) == packaged()["ceval"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cevl", "unknown benchmark 'cevl'; did you mean 'ceval'?"),
        ("zzzzzz", "unknown benchmark 'zzzzzz'; known: "),
        ("~no-such-user-here/x", "unknown benchmark '~no-such-user-here/x'"),
        ("x" * 5000, "unknown benchmark 'xxx"),
        ("a\0b", "unknown benchmark 'a b'"),
        ("a\nb", "unknown benchmark 'a b'"),
        ("capitls.csv", "--llm-benchmark=capitls.csv: no such file"),
        ("empty", "empty: the folder has neither a benchmark.toml"),
    ],
)
def test_find_nothing(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError) as caught:
        find(name, tmp_path)
    assert said in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


def test_known(write: Write, tmp_path: Path) -> None:
    known = {
        name
        for benchmark in map(load, packaged().values())
        for name in (benchmark.name, *(f"{benchmark.name}@{variant}" for variant in benchmark.variants))
    }
    assert set(load_all(tmp_path, (), ())) == known >= set(packaged())
    write("", "benchmarks/birds")
    write("", "trees")
    write('name = "fish"', "deep/below/sea")
    write("", "elsewhere/moss")
    found = load_all(tmp_path, ["elsewhere/moss"], ["deep/below/sea/test_sea.py::test_sea[a-1]"])
    assert set(found) == {*known, "birds", "trees", "moss", "fish"}
    assert found["fish"].folder.name == "sea"
    with pytest.raises(UserError, match="unknown benchmark 'fern'"):
        load_all(tmp_path, ["fern"], ())


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("ceval", ["stem", "social-science", "humanities", "other", "hard"]),
        ("cmmlu", ["stem", "humanities", "social-science", "other", "china-specific"]),
    ],
)
def test_groups_that_cut_across_come_last(name: str, groups: list[str]) -> None:
    assert list(load(packaged()[name]).groups) == groups


def test_an_extractor_with_a_pattern(tmp_path: Path) -> None:
    table = {"extractor": {"name": "number", "pattern": "= (.*)", "match": "first"}, "metric": "number"}
    benchmark = parse(table, tmp_path / "own" / FILE_NAME)
    assert benchmark.extractor == ExtractorSpec(name="number", pattern="= (.*)", match="first")
    keys = scoring(benchmark, "generate")
    assert (keys["extractor.pattern"], keys["extractor.match"]) == ("= (.*)", "first")
    plain = parse({"metric": "number"}, tmp_path / "own" / FILE_NAME)
    assert {key for key in scoring(plain, "generate") if "extractor" in key} == {"extractor"}

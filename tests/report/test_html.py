"""report.html as a file: its content, its pages, and that untrusted text stays escaped."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.core.types import Outcome
from pytest_llmeval.report import html
from pytest_llmeval.report.html import write_html
from pytest_llmeval.results.rerun import Rerun
from tests.support import pages as pages
from tests.support.fault_server import write_benchmark

SUBJECTS = list(pages.SUBJECTS)


class Reader(HTMLParser):
    """The elements of a page with their attributes and texts."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self._id = ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._id = dict(attrs).get("id") or tag

    def handle_data(self, data: str) -> None:
        self.text[self._id] = self.text.get(self._id, "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements with this tag."""
        return [attributes for name, attributes in self.elements if name == tag]


def read(path: Path) -> Reader:
    return Reader(path.read_text("utf-8"))


def index(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(read(path).text["index"])
    return found


def test_the_page_by_hand(tmp_path: Path) -> None:
    found = pages.records(64, ("puyu",), SUBJECTS)
    made = pages.made_up(tmp_path, found, complete=False, name="nightly")
    gate = GateResult("cmmlu=0.9", "fail", 0.5, 0.9, "50.0% is below 90%", "cmmlu", None, "puyu")
    (path,) = write_html(made.folder, made.run, made.results, [gate], made.errors, Rerun())
    content = path.read_text("utf-8")
    (result,) = made.results
    for said in (
        "nightly",
        f"{result.accuracy:.1%}",
        "This run is incomplete",
        "50.0% is below 90%",
        "gate <bdi>cmmlu=0.9</bdi>: fail",
        "解剖学",
        "2026-11-25 08:13 UTC",
        "torch",
        result.info.conditions.prompt_sha256,
    ):
        assert said in content, said
    held = index(path)
    assert held["models"] == ["puyu"]
    letters = "".join(one.outcome.value[0] for one in sorted(found, key=lambda r: SUBJECTS.index(r.subject)))
    assert held["answers"][0]["outcome"] == letters  # type: ignore[index]


@pytest.mark.parametrize("models", [("puyu",), ("puyu", "other")])
def test_mean_scores_of_a_graded_metric(tmp_path: Path, models: tuple[str, ...]) -> None:
    subjects = {key: pages.SUBJECTS[key] for key in SUBJECTS}
    info = replace(pages.info("cmmlu", subjects, 64), metric="rouge_l", threshold=0.25)
    found = pages.records(64, models, SUBJECTS)
    made = pages.made_up(tmp_path / "graded", pages.graded(found), info)
    (path,) = write_html(made.folder, made.run, made.results)
    text = " ".join(re.sub(r"<[^>]*>", " ", path.read_text("utf-8")).split())
    for result in made.results:
        assert f"mean score {result.mean_score:.3f} ( rouge_l ; threshold 0.25)" in text
        for part in result.subjects.values():
            assert f'data-value="{part.mean_score:.9g}">{part.mean_score:.3f}<' in path.read_text("utf-8")
    assert text.count("mean score") == (1 + 2) * len(models)  # card, and head of groups and of subjects
    made = pages.made_up(tmp_path / "plain", found)
    (path,) = write_html(made.folder, made.run, made.results)
    assert "mean score" not in path.read_text("utf-8")


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    made = pages.made_up(tmp_path, pages.records(16, ("puyu",), SUBJECTS))
    (path,) = write_html(made.folder, made.run, made.results)
    page = read(path)
    assert not page.all("img") + page.all("iframe") + page.all("object")
    assert [one for one in page.all("link") if not str(one["href"]).startswith("data:")] == []
    assert all("src" not in one for one in page.all("script"))
    assert "url(" not in page.text["style"] and "@import" not in page.text["style"]
    (policy,) = (one["content"] for one in page.all("meta") if "http-equiv" in one)
    assert policy is not None and policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_the_script_uses_no_unsafe_functions() -> None:
    script = (Path(html.__file__).parent / "templates/report.js").read_text("utf-8")
    assert "</script" not in script
    for forbidden in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
    ):
        assert forbidden not in script, forbidden
    template = (Path(html.__file__).parent / "templates/report.html.j2").read_text("utf-8")
    assert "|safe" not in template.replace(" ", "")
    assert not re.search(r"<[^>]+\s(on\w+|style)=", template)


def test_errors_and_unparsed_are_grouped_by_cause(tmp_path: Path) -> None:
    found = pages.records(2000, ("puyu",), SUBJECTS)
    made = pages.made_up(tmp_path, found)
    (path,) = write_html(made.folder, made.run, made.results, (), made.errors)
    content = path.read_text("utf-8")
    number = {outcome: sum(one.outcome is outcome for one in found) for outcome in Outcome}
    assert number[Outcome.ERROR] > 1 and number[Outcome.UNPARSED] > 1
    assert f"<strong>{number[Outcome.ERROR]} errors</strong>" in content
    assert f"{number[Outcome.ERROR]} × HTTP 503" in content
    assert f"{number[Outcome.UNPARSED]} × cut off by the token limit" in content


def test_a_run_without_questions(tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").touch()
    made = pages.made_up(tmp_path, [])
    (path,) = write_html(made.folder, made.run, ())
    assert "No questions were asked." in path.read_text("utf-8")


def test_a_large_run_has_several_pages(tmp_path: Path) -> None:
    made = pages.made_up(tmp_path, pages.records(300, ("puyu",), SUBJECTS))
    paths = write_html(made.folder, made.run, made.results, page_bytes=20_000)
    assert [path.name for path in paths] == [
        "report.html",
        *(f"report-{n}.html" for n in range(2, len(paths) + 1)),
    ]
    chunks = []
    for number, path in enumerate(paths):
        held = index(path)
        assert held["page"] == number
        assert [one["name"] for one in held["pages"]] == [one.name for one in paths]  # type: ignore[attr-defined]
        own = [
            int(str(one["id"]).removeprefix("chunk-"))
            for one in read(path).all("script")
            if "chunk" in str(one.get("id"))
        ]
        assert own[0] == held["pages"][number]["chunk"]  # type: ignore[index]
        chunks += own
    assert chunks == list(range(len(index(paths[0])["chunks"])))  # type: ignore[arg-type]


TEXT = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    ["</script>", "<!--", "]]>", "<script>", "&lt;", '" onload="', "\u2028", "{{ x }}", "{% raw %}", "\ud800"]
)


@settings(max_examples=25)
@given(words=st.tuples(*[TEXT] * 4))
def test_every_field_is_escaped(tmp_path_factory: pytest.TempPathFactory, words: tuple[str, ...]) -> None:
    subject, target, text, model = words
    (record,) = pages.records(1, (model,), [subject])
    folder = tmp_path_factory.mktemp("run")
    changed = pages.changed(record, target=target, text=text)
    made = pages.made_up(folder, [changed], name=text)
    (path,) = write_html(made.folder, made.run, made.results, (), [(record.id, text)])
    page = read(path)
    plain = pages.made_up(folder / "plain", pages.records(1, ("m",), ["s"]), name="n")
    (usual,) = write_html(plain.folder, plain.run, plain.results, (), [("id", "text")])
    ours, theirs = ([tag for tag, _ in one.elements] for one in (page, read(usual)))
    assert set(ours) <= set(theirs)
    assert all(
        ours.count(tag) == theirs.count(tag) for tag in ("script", "style", "section", "table", "meta")
    )
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    held = index(path)
    assert held["benchmarks"][0]["subjects"][0][0] == subject  # type: ignore[index]
    assert held["target"] == [target]


def test_a_comparison_with_a_baseline_is_shown(pytester: pytest.Pytester) -> None:
    folder = write_benchmark(pytester.path, 40, subjects=4)
    base = ["--llm-model=echo", f"--llm-benchmark={folder}", "--llm-no-cache"]
    assert pytester.runpytest(*base, "--llm-run-name=before").ret == 0
    page = (pytester.path / "reports/before/report.html").read_text("utf-8")
    assert 'id="changes"' not in page
    questions = pytester.path / "reports/before/questions.jsonl"
    questions.write_text(questions.read_text().replace('"outcome": "correct"', '"outcome": "wrong"', 3))
    assert pytester.runpytest(*base, "--llm-run-name=after", "--llm-baseline=before").ret == 0
    page = (pytester.path / "reports/after/report.html").read_text("utf-8")
    section = page[page.index('<section id="changes">') :]
    section = section[: section.index("</section>")]
    assert "faulty: echo, against before" in section
    assert "3 fixed" in section and "[s0-2]" in section and "broken</summary>" not in section
    assert "mean over subjects" in section and "92.5%" in section


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_page_explains_repeats(pytester: pytest.Pytester, repeats: int) -> None:
    folder = write_benchmark(pytester.path, 4)
    given = ["--llm-model=echo", f"--llm-benchmark={folder}", f"--llm-repeats={repeats}"]
    assert pytester.runpytest(*given, "--llm-run-name=run").ret == 0
    page = (pytester.path / "reports/run/report.html").read_text("utf-8")
    assert ("Every question was asked 3 times. The list shows the most frequent" in page) == (repeats == 3)
    assert ("<dt>majority vote</dt>" in page) == ("pass@3" in page) == (repeats == 3)
    assert ("<dt>answers</dt><dd>12</dd>" in page) == (repeats == 3)
    assert (
        "--llm-repeats=3" in index(pytester.path / "reports/run/report.html")["benchmarks"][0]["commands"][0]
    ) == (  # type: ignore[index]
        repeats == 3
    )

"""summary.md as GitHub renders it, also with hostile names."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.report.markdown import escape, summary_markdown
from pytest_llmeval.results.record import Record
from tests.support.made_results import INFOS, counted_all, make_info, result_of, results_of, runs

HOSTILE = (
    "a|b\n| c | d |\n<script>x</script> `code` **bold** [l](https://e.com) ![i](x) @team #1 "
    "www.e.com __b__ ~s~ \\| \x1b[2J"
)


def cells(line: str) -> list[str]:
    """The cells of a table row: GitHub splits it at pipes without a backslash before them."""
    assert line.startswith("| ") and line.endswith(" |")
    found = [""]
    escaped = False
    for char in line[1:-1]:
        if char == "|" and not escaped:
            found.append("")
        else:
            found[-1] += char
        escaped = char == "\\" and not escaped
    return [cell.strip() for cell in found]


def rendered(text: str) -> str:
    """Escaped text as a reader sees it."""
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*\[\]|~#!]", text), text
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text), text
    return html.unescape(re.sub(r"\\(.)", r"\1", text)).replace("\u200b", "")


def tables(text: str) -> list[list[list[str]]]:
    """All tables, each as rows of cells."""
    blocks = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    return [[cells(line) for line in block.splitlines()] for block in blocks]


def test_a_summary_by_hand() -> None:
    result = result_of({"maths": "ccwu", "law": "ce"}, latency_s=0.25, prompt_tokens=10, completion_tokens=2)
    gates = [
        GateResult("b=0.5", "pass", 0.6, 0.5, "60.0% (3 of 5) is at least 50%", "b", None, "m"),
        GateResult("b:stem=0.9", "fail", 0.5, 0.9, "50.0% (2 of 4) is below 90%", "b", "stem", "m"),
        GateResult("c=0.5", "not_run", None, 0.5, "c was not selected", "c"),
    ]
    text = summary_markdown("nightly", True, [result], gates, [("b/law/1", "timeout after 60 s")])
    assert (
        text
        == """\
# nightly

## b · m · generate, 5 shots, val

- mean over questions: 60.0% (95% interval 23.1–88.2)
- mean over subjects: 75.0% (95% interval 20.0–97.3)
- unparsed answers: 1 empty (see the prompts: --llm-show-prompts)
- model: –
- latency: median 0.250 s, 95th percentile 0.250 s, mean 0.250 s, 1.0 questions/s
- tokens: 60 in prompts, 12 in completions; 0 answers from the store

The accuracy of a group, and of all, is the mean over its questions.

| subject | n | correct | wrong | unparsed | answered | errors \
| accuracy | 95% interval | mean over subjects | median latency |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| **stem** | 4 | 2 | 1 | 1 | 0 | 0 | 50.0% | 15.0–85.0 | 50.0% | 0.250 s |
| maths 数学 | 4 | 2 | 1 | 1 | 0 | 0 | 50.0% | 15.0–85.0 |  | 0.250 s |
| **other** | 2 | 1 | 0 | 0 | 0 | 1 | 100.0% | 20.7–100.0 | 100.0% | 0.250 s |
| law 法学 | 2 | 1 | 0 | 0 | 0 | 1 | 100.0% | 20.7–100.0 |  | 0.250 s |
| **hard** | 4 | 2 | 1 | 1 | 0 | 0 | 50.0% | 15.0–85.0 | 50.0% | 0.250 s |
| **all** | 6 | 3 | 1 | 1 | 0 | 1 | 60.0% | 23.1–88.2 | 75.0% | 0.250 s |

## Gates

| gate | benchmark, model | verdict | reason |
| --- | --- | --- | --- |
| b=0.5 | b, m | pass | 60.0% (3 of 5) is at least 50% |
| b:stem=0.9 | b, m | **fail** | 50.0% (2 of 4) is below 90% |
| c=0.5 | c | not run | c was not selected |

## Errors

- 1 × timeout after 60 s (b/law/1)
"""
    )


def test_mean_scores_of_a_graded_metric() -> None:
    entries = [
        *counted_all({"maths": "cw"}, score=0.5),
        *counted_all({"law": "c"}, score=0.75),
        *counted_all({"loner": "e"}),
    ]
    info = make_info(metric="rouge_l", threshold=0.5)
    text = summary_markdown("nightly", True, results_of(entries, info), [], [])
    assert "- mean score: 0.583 (rouge_l; threshold 0.5)" in text
    (table,) = tables(text)
    place = table[0].index("mean score")
    assert {line[0]: line[place] for line in table[2:]} == {
        "**stem**": "0.500",
        "maths 数学": "0.500",
        "**other**": "0.750",
        "law 法学": "0.750",
        "**hard**": "0.500",
        "loner": "–",
        "**all**": "0.583",
    }
    assert len({len(line) for line in table}) == 1


def test_an_incomplete_run_is_marked_at_the_top() -> None:
    assert "incomplete" not in summary_markdown("r", True, [result_of({"maths": "c"})], [], [])
    text = summary_markdown("r", False, [result_of({"maths": "c"})], [], [])
    assert text.splitlines()[:3] == ["# r", "", "**This run is incomplete.**"]


def test_an_empty_run() -> None:
    assert summary_markdown("r", True, [], [], []) == "# r\n\nNo questions were asked.\n"


def test_no_accuracy_without_gold_answers() -> None:
    text = summary_markdown("r", True, [result_of({"maths": "aa"})], [], [])
    assert "- mean over questions: – (no question with a gold answer was scored)" in text
    assert "- mean over subjects: –" in text
    assert "| **all** | 2 | 0 | 0 | 0 | 2 | 0 | – | – | – | – |" in text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("computer_network", "computer_network"),
        ("_em_ __strong__", r"\_em\_ \_\_strong\_\_"),
        ("a|b", r"a\|b"),
        (r"a\|b", r"a\\\|b"),
        ("*a* `b` [c] ~d~ #1 !e", r"\*a\* \`b\` \[c\] \~d\~ \#1 \!e"),
        ("<b> & </b>", "&lt;b&gt; &amp; &lt;/b&gt;"),
        ("&lt;", "&amp;lt;"),
        ("two\nlines\r\n\x1b[0m", r"two lines \[0m"),
        ("@team", "@\u200bteam"),
        ("https://e.com", "https:\u200b//e.com"),
        ("see WWW.e.com", "see WWW\u200b.e.com"),
        ("注册会计师 95%", "注册会计师 95%"),
    ],
)
def test_escape(text: str, safe: str) -> None:
    assert escape(text) == safe


@given(st.text(st.one_of(st.sampled_from("|\\`*_[]<>&#!~@:/\n\r\x1b ab注"), st.characters()), max_size=80))
def test_escaped_text_renders_as_the_original(text: str) -> None:
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    safe = escape(text)
    assert rendered(safe) == plain
    assert "\n" not in safe
    # within a table it is one cell
    assert cells(f"| {safe} | end |") == [safe.strip(), "end"]


def test_hostile_names_stay_in_their_cells() -> None:
    info = make_info(
        HOSTILE, subjects={HOSTILE: ("", HOSTILE + "注")}, groups={HOSTILE: (HOSTILE,)}, split=HOSTILE
    )
    results = results_of(
        counted_all({HOSTILE: "cw"}, model=HOSTILE, of=HOSTILE), info, identities={HOSTILE: HOSTILE}
    )
    gates = [GateResult(HOSTILE, "fail", 0.5, 0.5, HOSTILE, HOSTILE, HOSTILE, HOSTILE)]
    text = summary_markdown(HOSTILE, True, results, gates, [(HOSTILE, HOSTILE)])
    table, of_gates = tables(text)
    assert {len(line) for line in table} == {11}
    assert {len(line) for line in of_gates} == {4}
    assert len(table) == 5 and len(of_gates) == 3
    flat = rendered(escape(HOSTILE))
    assert rendered(table[3][0]) == f"{flat} {flat}注"
    assert rendered(of_gates[2][3]) == flat
    for sign in ("<script", "\x1b", "@team", "https://", "www."):
        assert sign not in text
    # a heading a section, each item of a list on its line, and nothing else
    marks = re.compile(r"#{1,2} |- |\||\*\*This run|The accuracy of a group|$")
    assert all(marks.match(line) for line in text.split("\n"))
    assert len(re.findall("^#+ ", text, re.MULTILINE)) == 4


@settings(max_examples=50)
@given(runs())
def test_counts_add_up(entries: list[Record]) -> None:
    results = results_of(entries, *INFOS)
    found = tables(summary_markdown("r", True, results, [], []))
    assert len(found) == len(results)
    for table, result in zip(found, results, strict=True):
        _, _, *rows = table
        for row in rows:
            requested, *outcomes = map(int, row[1:7])
            assert requested == sum(outcomes) > 0
        own = sum(int(row[1]) for row in rows if not row[0].startswith("**"))
        assert own == int(rows[-1][1]) == result.counts.requested
        assert rows[-1][0] == "**all**"

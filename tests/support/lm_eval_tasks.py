"""Small tasks for lm-evaluation-harness, of every kind that is asked differently, with data of our own.

They are written at run time, since a task names its data files by where they are; JSON is YAML, but for the
tag of a function.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_CAPITALS = {
    "France": "Paris",
    "Japan": "Tokyo",
    "Italy": "Rome",
    "Egypt": "Cairo",
    "Spain": "Madrid",
    "Peru": "Lima",
    "Norway": "Oslo",
    "Cuba": "Havana",
    "Greece": "Athens",
    "Kenya": "Nairobi",
    "China": "Beijing",
    "Russia": "Moscow",
}
_CAUSES = (
    ("It rained all night, so in the morning", "the street was wet", "the moon was square"),
    ("She forgot her umbrella, therefore", "she got wet on her way home", "the bread tasted of blue"),
    ("The glass fell on the stone floor and", "it broke into pieces", "it sang a short song"),
    ("He had not eaten since breakfast, so", "he was very hungry", "he was made of paper"),
    ("The lamp did not work because", "there was no electricity", "the river had a name"),
    ("They ran as fast as they could, for", "the train was about to leave", "a spoon is round"),
)
_PLACES = (
    ("The {} would not fit into the suitcase since it was too large.", ("coat", "suitcase"), 0),
    ("Anna thanked Maria because {} had received help.", ("Anna", "Maria"), 0),
    ("The dog chased the cat until {} hid in a tree.", ("the dog", "the cat"), 1),
    ("The cup fell off the table because {} was not level.", ("the cup", "the table"), 1),
)
_LINES = (
    "The quick brown fox jumps over the lazy",
    "An apple a day keeps the doctor",
    "Once upon a",
    "Better late than",
    "Actions speak louder than",
    "Monday, Tuesday,",
)
_LAST = ("dog", "away", "time", "never", "words", "Wednesday")
_PAGES = (
    "The harbour lay still in the early light. Two boats had come in over night, and their crews were "
    "asleep on deck, wrapped in blankets against the cold. On the quay an old man mended a net, and did "
    "not look up.",
    "Bread needs four things: flour, water, salt and time. The last of them is the one that is most often "
    "left out, and the one that cannot be replaced. A dough that rests through the night rises without "
    "haste, and what comes out of the oven in the morning keeps for a week. There is no secret to it beyond "
    "waiting; whoever has learnt to wait can bake. The rest is a matter of a hot oven and of a little steam.",
    "It was late.",
    "北风与太阳争论谁更强大。一个穿着斗篷的旅人走了过来。",
)


def _sums() -> list[dict[str, Any]]:
    pairs = ((2, 3), (7, 8), (12, 5), (20, 22), (9, 9), (31, 4), (6, 15), (50, 25))
    return [
        {
            "question": f"What is {one} plus {two}?",
            "answer": f"{one} and {two} make {one + two}. #### {one + two}",
        }
        for one, two in pairs
    ]


def _capitals() -> list[dict[str, Any]]:
    names = list(_CAPITALS)
    rows = []
    for at, (country, city) in enumerate(_CAPITALS.items()):
        others = [_CAPITALS[names[(at + step) % len(names)]] for step in (3, 5, 7)]
        options = [*others[: at % 4], city, *others[at % 4 :]]
        # a gold answer that no model can know: a task that is neither all right nor all wrong
        lot = at * 7 // 3 % 4
        rows.append({"country": country, "options": options, "gold": at % 4, "lot": lot})
    return rows


def _letters() -> list[dict[str, Any]]:
    rows = (("a", ("salt", "moon", "bread")), ("e", ("wood", "stone", "sky")), ("o", ("gold", "rock", "tin")))
    return [
        {
            "letter": letter,
            "options": list(words),
            "gold": [at for at, word in enumerate(words) if letter in word],
        }
        for letter, words in rows
    ]


def _choice(question: str, **more: Any) -> dict[str, Any]:
    return {
        "output_type": "multiple_choice",
        "doc_to_text": question,
        "doc_to_choice": "options",
        **({"doc_to_target": "gold"} | more),
    }


def _metric(name: str, aggregation: str, better: bool = True, **more: Any) -> dict[str, Any]:
    return {"metric": name, "aggregation": aggregation, "higher_is_better": better, **more}


_NUMBER = {"function": "regex", "regex_pattern": "(-?[0-9]+)", "group_select": -1}
_ASK = "Question: What is the capital of {{country}}?\nAnswer:"
_ACC = [_metric("acc", "mean"), _metric("acc_norm", "mean")]
_FEW = {"test_split": "test", "fewshot_split": "train"}

_FUNCTIONS = """
def only_long(dataset):
    return dataset.filter(lambda doc: len(doc["line"]) > 15)


def ask(doc):
    return "Go on: " + doc["line"]


def first_words(resps, docs):
    return [[(text.split() or [""])[0] for text in of_document] for of_document in resps]


def judge(doc, results):
    return {"acc": float(results[0].strip(".,") == doc["word"]), "letters": len(results[0])}


def most(items):
    return max(items)
"""

#: tasks by name; each one's data files are those of ``DATA`` under the same name, or under ``data`` in it
TASKS: Mapping[str, dict[str, Any]] = {
    # choices by their texts, the first rows as shots
    "own_capitals_first": _choice(
        _ASK, **_FEW, num_fewshot=3, fewshot_config={"sampler": "first_n"}, metric_list=_ACC, data="capitals"
    ),
    # shots drawn at random, from the very documents that are asked
    "own_capitals_random": _choice(
        _ASK,
        doc_to_target="lot",
        test_split="test",
        fewshot_split="test",
        num_fewshot=4,
        metric_list=[*_ACC, _metric("exact_match", "mean"), _metric("brier_score", "brier_score", False)],
        data="capitals",
    ),
    # letters, a description, and a score that needs all documents at once
    "own_letters": {
        "output_type": "multiple_choice",
        "description": "Choose the right answer.\n\n",
        "doc_to_text": "Capital of {{country}}?\nA. {{options[0]}}\nB. {{options[1]}}\nC. {{options[2]}}\n"
        "D. {{options[3]}}\nAnswer:",
        "doc_to_choice": ["A", "B", "C", "D"],
        "doc_to_target": "gold",
        **_FEW,
        "num_fewshot": 2,
        "metric_list": [_metric("acc", "mean"), _metric("mcc", "matthews_corrcoef")],
        "data": "capitals",
    },
    # as likely by itself as after the question? two requests a choice, one of them without a context
    "own_causes": _choice(
        "{{start}}",
        test_split="test",
        metric_list=[*_ACC, _metric("acc_mutual_info", "mean"), _metric("f1", "f1")],
        data="causes",
    ),
    # the choices stand in the question, and the same ending is scored after each
    "own_places": {
        "output_type": "multiple_choice",
        "test_split": "test",
        "doc_to_text": "gold",
        "doc_to_choice": "contexts",
        "doc_to_target": "ending",
        "metric_list": [_metric("acc", "mean")],
        "data": "places",
    },
    # one word, and whether the model would write it
    "own_last_word": {
        "output_type": "loglikelihood",
        "test_split": "test",
        "doc_to_text": "{{line}}",
        "doc_to_target": " {{word}}",
        "metric_list": [_metric("perplexity", "perplexity", False), _metric("acc", "mean")],
        "data": "lines",
    },
    # whole texts, one of them longer than a small context
    "own_pages": {
        "output_type": "loglikelihood_rolling",
        "test_split": "test",
        "doc_to_text": "",
        "doc_to_target": "{{page}}",
        "metric_list": [
            _metric("word_perplexity", "weighted_perplexity", False),
            _metric("byte_perplexity", "weighted_perplexity", False),
            _metric("bits_per_byte", "bits_per_byte", False),
        ],
        "data": "pages",
    },
    # more than one answer is right
    "own_letters_several": _choice(
        "Which word has the letter {{letter}} in it?\nAnswer:",
        doc_to_target="{{gold}}",
        test_split="test",
        metric_list=[*_ACC, _metric("exact_match", "mean")],
        data="letters",
    ),
    # what is asked, how it is read and how it is added up are functions beside the task
    "own_functions": {
        "output_type": "generate_until",
        "test_split": "test",
        "process_docs": "!function own_functions.only_long",
        "doc_to_text": "!function own_functions.ask",
        "doc_to_target": "{{word}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 12},
        "filter_list": [
            {
                "name": "first-word",
                "filter": [
                    {"function": "custom", "filter_fn": "!function own_functions.first_words"},
                    {"function": "take_first"},
                ],
            }
        ],
        "process_results": "!function own_functions.judge",
        "metric_list": [
            _metric("acc", "mean"),
            _metric("letters", "!function own_functions.most", better=False),
        ],
        "data": "lines",
    },
    # asked several times, and what most say counts
    "own_votes": {
        "output_type": "generate_until",
        **_FEW,
        "num_fewshot": 1,
        "repeats": 3,
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{answer.split('####')[-1].strip()}}",
        "fewshot_config": {"doc_to_target": "answer"},
        "generation_kwargs": {"until": ["Question:"], "max_gen_toks": 24, "temperature": 0.0},
        "filter_list": [
            {"name": "score-first", "filter": [_NUMBER, {"function": "take_first"}]},
            {
                "name": "maj@3",
                "filter": [_NUMBER, {"function": "majority_vote"}, {"function": "take_first"}],
            },
            {
                "name": "maj@2",
                "filter": [
                    {"function": "take_first_k", "k": 2},
                    _NUMBER,
                    {"function": "majority_vote"},
                    {"function": "take_first"},
                ],
            },
        ],
        "metric_list": [_metric("exact_match", "mean")],
        "data": "sums",
    },
    # a text, read by three filters
    "own_sums": {
        "output_type": "generate_until",
        **_FEW,
        "num_fewshot": 2,
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{answer.split('####')[-1].strip()}}",
        "fewshot_config": {"doc_to_target": "answer"},
        "generation_kwargs": {
            "until": ["Question:", "\n\n", "<|im_end|>"],
            "max_gen_toks": 40,
            "do_sample": False,
        },
        "filter_list": [
            {
                "name": "strict-match",
                "filter": [
                    {"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"},
                    {"function": "take_first"},
                ],
            },
            {
                "name": "flexible-extract",
                "filter": [
                    {"function": "regex", "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)", "group_select": -1},
                    {"function": "take_first"},
                ],
            },
            {
                "name": "last-words",
                "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}],
            },
        ],
        "metric_list": [_metric("exact_match", "mean", ignore_case=True, ignore_punctuation=False)],
        "data": "sums",
    },
    # texts that are graded, each asked for three times
    "own_words": {
        "output_type": "generate_until",
        "test_split": "test",
        "repeats": 3,
        "doc_to_text": "{{line}}",
        "doc_to_target": "{{word}}",
        "generation_kwargs": {"until": ["\n", "."], "max_gen_toks": 8, "temperature": 0.0},
        "filter_list": [
            {"name": "vote", "filter": [{"function": "majority_vote"}, {"function": "take_first"}]}
        ],
        "metric_list": [_metric("bleu", "bleu"), _metric("chrf", "chrf")],
        "data": "lines",
    },
}
DATA: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "capitals": _capitals(),
    "causes": [
        {"start": start, "options": [right, wrong] if at % 2 else [wrong, right], "gold": 1 - at % 2}
        for at, (start, right, wrong) in enumerate(_CAUSES)
    ],
    "places": [
        {
            "contexts": [text.split("{}")[0] + choice for choice in choices],
            "ending": text.split("{}")[1].strip(),
            "gold": gold,
        }
        for text, choices, gold in _PLACES
    ],
    "lines": [{"line": line, "word": word} for line, word in zip(_LINES, _LAST, strict=True)],
    "letters": _letters(),
    "pages": [{"page": page} for page in _PAGES],
    "sums": _sums(),
}
#: groups by name; the mean over questions, over tasks, and one group within another
GROUPS: Mapping[str, dict[str, Any]] = {
    "own_weighted": {
        "task": ["own_capitals_first", "own_causes", "own_places"],
        "aggregate_metric_list": [
            {"metric": "acc", "aggregation": "mean", "weight_by_size": True},
            {"metric": "acc_norm", "aggregation": "mean", "weight_by_size": False},
        ],
        "metadata": {"version": 2},
    },
    "own_nested": {
        "task": [
            {
                "group": "own_inner",
                "task": ["own_letters", "own_last_word"],
                "aggregate_metric_list": [{"metric": "acc", "weight_by_size": False}],
            },
            "own_causes",
        ],
        "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
    },
}


def write(folder: Path, names: Sequence[str] | None = None) -> list[str]:
    """Write the tasks and groups (of ``names``, or all) with their data; returns the names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in DATA.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, "utf-8")
        shots = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in reversed(rows))
        (folder / f"{name}-train.jsonl").write_text(shots, "utf-8")
    (folder / "own_functions.py").write_text(_FUNCTIONS, "utf-8")
    wanted = list(TASKS) + list(GROUPS) if names is None else list(names)
    for name in wanted:
        if name in GROUPS:
            config = {"group": name, **GROUPS[name]}
        else:
            data = TASKS[name]["data"]
            files = {"test": str(folder / f"{data}.jsonl"), "train": str(folder / f"{data}-train.jsonl")}
            config = {
                "task": name,
                **{key: value for key, value in TASKS[name].items() if key != "data"},
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": files},
            }
        text = re.sub(r'"(!function [\w.]+)"', r"\1", json.dumps(config, ensure_ascii=False))
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    return wanted

"""Packaged tasks of lm-evaluation-harness with made-up rows in the layout of their data.

No machine of ours reaches a hub: each task is included from the library, and reads a local file instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_WORDS = ("sun", "moon", "river", "stone", "bread", "cloud", "lamp", "horse")


def _rows(make: Any, count: int = 6) -> list[dict[str, Any]]:
    return [make(at, _WORDS[at % len(_WORDS)]) for at in range(count)]


def _labelled(at: int, word: str) -> dict[str, Any]:
    texts = [word, "salt", "wool", "glass"]
    return {"label": ["A", "B", "C", "D"], "text": texts[at % 4 :] + texts[: at % 4]}


def _gold(at: int) -> str:
    return "ABCD"[-at % 4]


#: rows by the layout of their data
ROWS: Mapping[str, list[dict[str, Any]]] = {
    "arc": _rows(
        lambda at, w: {"question": f"Which word is {w}?", "choices": _labelled(at, w), "answerKey": _gold(at)}
    ),
    "openbookqa": _rows(
        lambda at, w: {
            "question_stem": f"A thing that is {w}",
            "choices": _labelled(at, w),
            "answerKey": _gold(at),
        }
    ),
    "hellaswag": _rows(
        lambda at, w: {
            "ind": at,
            "activity_label": f"Seeing a {w}",
            "ctx_a": f"A man sees a {w}.",
            "ctx_b": "he",
            "ctx": f"A man sees a {w}. he",
            "endings": ["smiles.", f"eats the {w}.", "leaves [substeps] soon.", "sings."],
            "label": str(at % 4),
            "split": "val",
            "source_id": f"s{at}",
            "split_type": "indomain",
        }
    ),
    "piqa": _rows(
        lambda at, w: {
            "goal": f"Carry a {w}",
            "sol1": "use both hands",
            "sol2": f"ask the {w}",
            "label": at % 2,
        }
    ),
    "sciq": _rows(
        lambda at, w: {
            "question": f"What shines like the {w}?",
            "support": f" The {w} shines.",
            "distractor1": "mud",
            "distractor2": "ash",
            "distractor3": "coal",
            "correct_answer": w,
        }
    ),
    "winogrande": _rows(
        lambda at, w: {
            "sentence": f"The {w} did not fit into the box because _ was too small.",
            "option1": f"the {w}",
            "option2": "the box",
            "answer": str(1 + at % 2),
        }
    ),
    "boolq": _rows(
        lambda at, w: {
            "passage": f"The {w} is old.",
            "question": f"is the {w} old",
            "label": at % 2,
            "idx": at,
        }
    ),
    "copa": _rows(
        lambda at, w: {
            "premise": f"The {w} fell.",
            "choice1": "It was loose.",
            "choice2": "It rained.",
            "question": ("cause", "effect")[at % 2],
            "label": at % 2,
            "idx": at,
        }
    ),
    "pairs": _rows(
        lambda at, w: {
            "premise": f"The {w} is red.",
            "hypothesis": f"A {w} has a colour.",
            "sentence1": f"The {w} is red.",
            "sentence2": f"Red is the {w}.",
            "label": at % 2,
            "idx": at,
        }
    ),
    "three": _rows(
        lambda at, w: {
            "premise": f"The {w} is red.",
            "hypothesis": f"The {w} is blue.",
            "label": at % 3,
            "idx": at,
        }
    ),
    "wic": _rows(
        lambda at, w: {
            "word": w,
            "sentence1": f"The {w} shone.",
            "sentence2": f"A {w} of gold.",
            "start1": 4,
            "end1": 4 + len(w),
            "start2": 2,
            "end2": 2 + len(w),
            "label": at % 2,
            "idx": at,
        }
    ),
    "wsc": _rows(
        lambda at, w: {
            "text": f"The {w} fell on Anna because it was loose.",
            "span1_text": f"The {w}",
            "span1_index": 0,
            "span2_text": "it",
            "span2_index": 6,
            "label": at % 2,
            "idx": at,
        }
    ),
    "sentence": _rows(lambda at, w: {"sentence": f"the {w} is fine", "label": at % 2, "idx": at}),
    "qnli": _rows(
        lambda at, w: {
            "question": f"Where is the {w}?",
            "sentence": f"The {w} is here.",
            "label": at % 2,
            "idx": at,
        }
    ),
    "truthfulqa": _rows(
        lambda at, w: {
            "question": f"What happens if you eat a {w}?",
            "mc1_targets": {"choices": ["Nothing.", f"You become a {w}.", "You fly."], "labels": [1, 0, 0]},
            "mc2_targets": {"choices": ["Nothing.", "Little.", "You fly."], "labels": [1, 1, 0]},
        }
    ),
    "gsm8k": _rows(
        lambda at, w: {
            "question": f"Tom has {at} {w}s and buys 2. How many?",
            "answer": f"{at} + 2\n#### {at + 2}",
        }
    ),
    "commonsense": _rows(
        lambda at, w: {
            "question": f"Where is a {w}?",
            "question_concept": w,
            "choices": {"label": list("ABCDE"), "text": ["sky", "bank", "house", "field", w]},
            "answerKey": "ABCDE"[at % 5],
        }
    ),
    "logiqa": _rows(
        lambda at, w: {
            "label": "abcd"[at % 4],
            "context": f"All {w}s are old.",
            "question": "What follows?",
            "options": [f"A {w} is old.", "Nothing is old.", "All is new.", "None."],
        }
    ),
    "swag": _rows(
        lambda at, w: {
            "startphrase": f"She takes the {w} and",
            **{f"ending{number}": f"goes {number} times." for number in range(4)},
            "label": at % 4,
        }
    ),
    "siqa": _rows(
        lambda at, w: {
            "context": f"Kai lost the {w}.",
            "question": "How does Kai feel?",
            "answerA": "sad",
            "answerB": "glad",
            "answerC": w,
            "label": str(1 + at % 3),
        }
    ),
    "medmcqa": _rows(
        lambda at, w: {
            "question": f"The {w} is treated with",
            **dict(zip(("opa", "opb", "opc", "opd"), ("rest", w, "water", "salt"), strict=True)),
            "cop": at % 4,
        }
    ),
    "text": _rows(lambda at, w: {"text": f"The old man looked at the {w} and then at the {w}"}),
    "nq": _rows(lambda at, w: {"question": f"who made the {w}", "answer": [w, f"the {w}"]}),
    "triviaqa": _rows(
        lambda at, w: {"question": f"Who made the {w}", "answer": {"value": w, "aliases": [w, f"The {w}"]}}
    ),
    "asdiv": _rows(
        lambda at, w: {"body": f"Tom has {at} {w}s.", "question": "How many?", "answer": f"{at} ({w}s)"}
    ),
    "webqs": _rows(lambda at, w: {"url": "", "question": f"what is a {w}?", "answers": [w, f"{w}s"]}),
    "mmlu": _rows(
        lambda at, w: {
            "question": f"Which is the {w}? ",
            "subject": "anatomy",
            "choices": [w, "bone", "vein", "skin"],
            "answer": at % 4,
        }
    ),
    "bbh": _rows(
        lambda at, w: {"input": f"Does the {w} turn? Options:\n- Yes\n- No", "target": ("Yes", "No")[at % 2]}
    ),
    "ceval": _rows(
        lambda at, w: {
            "id": at,
            "question": f"{w}是什么？ ",
            "A": w,
            "B": "书",
            "C": "山",
            "D": "水",
            "answer": _gold(at),
        }
    ),
    "agieval": _rows(
        lambda at, w: {
            "query": f"Q: Where is the {w}? A: Among A through D, the answer is",
            "choices": ["(A)a", "(B)b", "(C)c", "(D)d"],
            "gold": [at % 4],
        }
    ),
    "mgsm": _rows(
        lambda at, w: {
            "question": f"Question: Tom has {at} {w}s and buys 2. How many?",
            "answer": f"Step-by-Step Answer: {at} + 2. The answer is {at + 2}.",
            "answer_number": at + 2,
            "equation_solution": f"{at} + 2",
        }
    ),
    "belebele": _rows(
        lambda at, w: {
            "flores_passage": f"The {w} is old.",
            "question": f"How is the {w}? ",
            **{f"mc_answer{number}": f"answer {number}" for number in range(1, 5)},
            "correct_answer_num": str(1 + at % 4),
        }
    ),
    "toxigen": _rows(
        lambda at, w: {
            "text": f"The {w} is bad.",
            "toxicity_ai": 1.0 + at % 5,
            "toxicity_human": 1.0 + at % 5,
        }
    ),
    "mc_taco": _rows(
        lambda at, w: {
            "sentence": f"He saw the {w}.",
            "question": "How long?",
            "answer": f"{at} hours",
            "label": at % 2,
        }
    ),
    "context": _rows(
        lambda at, w: {"context": f"Question: What is {at} times 3? Answer:", "completion": f"{at * 3}"}
    ),
    "blimp": _rows(
        lambda at, w: {"sentence_good": f"The {w} is here.", "sentence_bad": f"The {w} are here."}
    ),
    "xnli": _rows(
        lambda at, w: {"premise": f"The {w} is red", "hypothesis": "it has a colour", "label": at % 3}
    ),
    "musr": _rows(
        lambda at, w: {
            "narrative": f"The {w} was stolen.",
            "question": "Who did it?",
            "choices": "['Anna', 'Ben']",
            "answer_index": at % 2,
            "answer_choice": ("Anna", "Ben")[at % 2],
        }
    ),
}

#: task -> its file in the library's ``tasks``, and the layout of its data
TASKS: Mapping[str, tuple[str, str]] = {
    "arc_easy": ("arc/arc_easy.yaml", "arc"),
    "arc_challenge": ("arc/arc_challenge.yaml", "arc"),
    "arc_challenge_chat": ("arc/arc_challenge_chat.yaml", "arc"),
    "openbookqa": ("openbookqa/openbookqa.yaml", "openbookqa"),
    "hellaswag": ("hellaswag/hellaswag.yaml", "hellaswag"),
    "piqa": ("piqa/piqa.yaml", "piqa"),
    "sciq": ("sciq/sciq.yaml", "sciq"),
    "winogrande": ("winogrande/default.yaml", "winogrande"),
    "boolq": ("super_glue/boolq/default.yaml", "boolq"),
    "boolq-seq2seq": ("super_glue/boolq/seq2seq.yaml", "boolq"),
    "copa": ("super_glue/copa/default.yaml", "copa"),
    "sglue_rte": ("super_glue/rte/default.yaml", "pairs"),
    "wic": ("super_glue/wic/default.yaml", "wic"),
    "wsc": ("super_glue/wsc/default.yaml", "wsc"),
    "cb": ("super_glue/cb/default.yaml", "three"),
    "cola": ("glue/cola/default.yaml", "sentence"),
    "sst2": ("glue/sst2/default.yaml", "sentence"),
    "mrpc": ("glue/mrpc/default.yaml", "pairs"),
    "qnli": ("glue/qnli/default.yaml", "qnli"),
    "mnli": ("glue/mnli/default.yaml", "three"),
    "wnli": ("glue/wnli/default.yaml", "pairs"),
    "rte": ("glue/rte/default.yaml", "pairs"),
    "truthfulqa_mc1": ("truthfulqa/truthfulqa_mc1.yaml", "truthfulqa"),
    "truthfulqa_mc2": ("truthfulqa/truthfulqa_mc2.yaml", "truthfulqa"),
    "gsm8k": ("gsm8k/gsm8k.yaml", "gsm8k"),
    "gsm8k_cot": ("gsm8k/gsm8k-cot.yaml", "gsm8k"),
    "gsm8k_cot_llama": ("gsm8k/gsm8k-cot-llama.yaml", "gsm8k"),
    "gsm8k_cot_zeroshot": ("gsm8k/gsm8k-cot-zeroshot.yaml", "gsm8k"),
    "commonsense_qa": ("commonsense_qa/default.yaml", "commonsense"),
    "logiqa": ("logiqa/logiqa.yaml", "logiqa"),
    "swag": ("swag/swag.yaml", "swag"),
    "social_iqa": ("siqa/siqa.yaml", "siqa"),
    "medmcqa": ("medmcqa/medmcqa.yaml", "medmcqa"),
    "lambada_openai": ("lambada/lambada_openai.yaml", "text"),
    "lambada_standard": ("lambada/lambada_standard.yaml", "text"),
    "nq_open": ("nq_open/nq_open.yaml", "nq"),
    "triviaqa": ("triviaqa/default.yaml", "triviaqa"),
    "asdiv": ("asdiv/default.yaml", "asdiv"),
    "webqs": ("webqs/webqs.yaml", "webqs"),
    "mmlu_anatomy": ("mmlu/default/mmlu_anatomy.yaml", "mmlu"),
    "mmlu_anatomy_generative": ("mmlu/generative/mmlu_anatomy.yaml", "mmlu"),
    "mmlu_anatomy_continuation": ("mmlu/continuation/mmlu_anatomy.yaml", "mmlu"),
    "mmlu_flan_cot_zeroshot_anatomy": ("mmlu/flan_cot_zeroshot/mmlu_anatomy.yaml", "mmlu"),
    "bbh_cot_fewshot_navigate": ("bbh/cot_fewshot/navigate.yaml", "bbh"),
    "bbh_zeroshot_navigate": ("bbh/zeroshot/navigate.yaml", "bbh"),
    "bbh_cot_zeroshot_navigate": ("bbh/cot_zeroshot/navigate.yaml", "bbh"),
    "leaderboard_bbh_navigate": ("leaderboard/bbh_mc/navigate.yaml", "bbh"),
    "ceval-valid_accountant": ("ceval/ceval-valid_accountant.yaml", "ceval"),
    "agieval_aqua_rat": ("agieval/aqua-rat.yaml", "agieval"),
    "mgsm_direct_en": ("mgsm/direct/mgsm_direct_en.yaml", "mgsm"),
    "mgsm_en_cot_en": ("mgsm/en_cot/mgsm_en_cot_en.yaml", "mgsm"),
    "belebele_eng_Latn": ("belebele/belebele_eng_Latn.yaml", "belebele"),
    "toxigen": ("toxigen/toxigen.yaml", "toxigen"),
    "mc_taco": ("mc_taco/default.yaml", "mc_taco"),
    "cycle_letters": ("unscramble/cycle_letters.yaml", "context"),
    "blimp_adjunct_island": ("blimp/adjunct_island.yaml", "blimp"),
    "xnli_en": ("xnli/xnli_en.yaml", "xnli"),
    "leaderboard_musr_murder_mysteries": ("leaderboard/musr/musr_murder_mysteries.yaml", "musr"),
    "anli_r1": ("anli/anli_r1.yaml", "three"),
}
_SPLITS = (
    "train",
    "validation",
    "test",
    "dev",
    "val",
    "dev_r1",
    "train_r1",
    "test_r1",
    "murder_mysteries",
    "en",
    "validation_matched",
)


def write(folder: Path, names: Sequence[str] | None = None) -> list[str]:
    """Write the tasks of ``names`` (default: all) with their data; returns their names, with a prefix."""
    import lm_eval

    library = Path(lm_eval.__file__).with_name("tasks")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in TASKS if names is None else names:
        file, layout = TASKS[name]
        data = folder / f"{layout}-rows.jsonl"
        data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS[layout]), "utf-8")
        config = {
            "include": str(library / file),
            "task": f"packaged_{name}",
            "tag": "packaged",
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": dict.fromkeys(_SPLITS, str(data))},
        }
        (folder / f"packaged_{name}.yaml").write_text(json.dumps(config), "utf-8")
        written.append(f"packaged_{name}")
    return written

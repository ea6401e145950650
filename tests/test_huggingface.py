"""Local weights: tiny random models, compared with transformers asked plainly, one prompt at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.errors import ModelUnusable, UserError
from pytest_llmeval.models import hf_load
from pytest_llmeval.models.base import Job
from pytest_llmeval.models.huggingface import HuggingFaceModel, Runner
from pytest_llmeval.types import ChatPrompt, Completion, Message, ModelConfig, Request, TextPrompt

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SENTENCE = "the cat sat on a mat and dog ran far away from home over hills green red blue one two three"
WORDS = SENTENCE.split()


def save_tiny(
    folder: Path, *, template: str | None = TEMPLATE, positions: int = 256, bos: bool = False
) -> None:
    """A random Llama of 4 layers with a byte-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<|im_end|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    raw.train_from_iterator([SENTENCE] * 4, trainer)
    if bos:
        raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = template
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.4,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder)
    return folder


def runner(folder: Path, **settings: Any) -> Runner:
    config = ModelConfig("tiny", "hf", str(folder), **settings)
    return Runner(hf_load.load(config, hf_load.find(str(folder))), config, lambda: False)


def ask(asked: Runner, requests: Sequence[Request]) -> list[Completion]:
    jobs = [Job(request) for request in requests]
    asked.answer(jobs)
    return [job.future.result(timeout=0) for job in jobs]


def chat(text: str, *, shots: int = 0, **sampling: Any) -> Request:
    turns = tuple(
        (Message("user", f"shot {number}"), Message("assistant", WORDS[number])) for number in range(shots)
    )
    return Request(ChatPrompt((Message("user", text),), turns), **sampling)


def plainly(folder: Path, request: Request) -> tuple[str, int]:
    """What transformers says to the single prompt."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [{"role": turn.role, "content": turn.content} for turn in request.prompt.messages]
    text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    out = model.generate(
        ids,
        max_new_tokens=request.max_tokens,
        do_sample=False,
        eos_token_id=[1, 2],
        pad_token_id=1,
        attention_mask=torch.ones_like(ids),
    )
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True), ids.shape[1]


def test_batched_greedy_text_is_that_of_single_prompts(tiny: Path) -> None:
    requests = [chat(" ".join(WORDS[: 1 + 2 * n]), shots=n % 3, max_tokens=12) for n in range(8)]
    completions = ask(runner(tiny), requests)
    for request, completion in zip(requests, completions, strict=True):
        text, length = plainly(tiny, request)
        assert completion.error is None
        assert (completion.text, completion.prompt_tokens) == (text, length)
    assert len({completion.text for completion in completions}) > 4


def test_settings_of_the_checkpoint_do_not_change_greedy_text(tiny: Path, tmp_path: Path) -> None:
    save_tiny(tmp_path)
    (tmp_path / "generation_config.json").write_text(
        json.dumps({"do_sample": True, "top_k": 3, "repetition_penalty": 3.0, "eos_token_id": [1, 2]})
    )
    requests = [chat("the cat", max_tokens=20), chat("far away", max_tokens=20)]
    assert [c.text for c in ask(runner(tmp_path), requests)] == [c.text for c in ask(runner(tiny), requests)]


def test_a_smaller_limit_in_the_batch_is_kept(tiny: Path) -> None:
    long, short = ask(runner(tiny), [chat("the mat", max_tokens=10), chat("the mat", max_tokens=3)])
    assert (long.completion_tokens, short.completion_tokens) == (10, 3)
    assert long.text.startswith(short.text)
    assert short.finish_reason == "length"


def test_end_token_and_stop_string(tiny: Path) -> None:
    free = ask(runner(tiny), [chat("dog", max_tokens=12)])[0]
    part = free.text[2:5]
    stopped = ask(runner(tiny), [chat("dog", max_tokens=12, stop=(part,))])[0]
    assert stopped.text == free.text[: free.text.index(part)]
    assert stopped.finish_reason == "stop"
    ending = runner(tiny)
    generate = ending._model.generate
    written: list[int] = []
    ending._model.generate = lambda **given: (
        written.extend(generate(**given)[0].tolist()) or generate(**given)
    )
    ask(ending, [chat("dog", max_tokens=12)])
    ending._ends = (written[-12:][2],)
    ending._generation = ending._plain_generation()
    ended = ask(ending, [chat("dog", max_tokens=12)])[0]
    assert (ended.finish_reason, ended.completion_tokens) == ("stop", 3)
    assert free.text.startswith(ended.text)


def test_ends_of_a_turn_in_the_template_are_end_tokens(tiny: Path) -> None:
    assert runner(tiny)._ends == (1, 2)


def lm_eval_scores(folder: Path, context: str, choices: Sequence[str]) -> list[float]:
    """Each choice by a forward pass of its own: ``_encode_pair`` of lm-evaluation-harness 0.4.13."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    scores = []
    for choice in choices:
        spaces = len(context) - len(context.rstrip())
        tail, head = (context[-spaces:] + choice, context[:-spaces]) if spaces else (choice, context)
        whole, start = tokenizer.encode(head + tail), len(tokenizer.encode(head))
        logits = model(torch.tensor([whole[:-1]])).logits[0].log_softmax(-1).detach()
        scores.append(sum(float(logits[place - 1, whole[place]]) for place in range(start, len(whole))))
    return scores


@pytest.mark.parametrize("bos", [False, True])
def test_scores_are_those_of_single_passes(tmp_path: Path, bos: bool) -> None:
    save_tiny(tmp_path, bos=bos)
    choices = {"A": " cat", "B": " dog ran far", "C": "!?", "D": " red blue"}
    contexts = ["the", "the cat sat on a mat and", "one two three ", "dog\n\n"]
    completions = ask(runner(tmp_path), [Request(TextPrompt(text), choices=choices) for text in contexts])
    for context, completion in zip(contexts, completions, strict=True):
        expected = lm_eval_scores(tmp_path, context, list(choices.values()))
        assert list(completion.scores.values()) == pytest.approx(expected, abs=1e-3)
        assert completion.finish_reason == "scored"


def test_one_forward_pass_where_choices_are_single_tokens(tiny: Path) -> None:
    asked = runner(tiny)
    rows = []
    forward = asked._forward

    def counted(**given: Any) -> Any:
        rows.append(given["input_ids"].shape[0])
        return forward(**given)

    asked._forward = counted  # type: ignore[method-assign]
    letters = {letter: letter for letter in "ABCD"}
    ask(asked, [Request(TextPrompt(f"the {word}:"), choices=letters) for word in WORDS[:5]])
    assert sum(rows) == 5


def test_the_earliest_shots_go_when_the_prompt_is_too_long(tmp_path: Path) -> None:
    save_tiny(tmp_path, positions=64)
    asked = runner(tmp_path)
    fits, long, hopeless = ask(
        asked,
        [chat("cat", max_tokens=8), chat("cat", shots=9, max_tokens=8), chat("xyz " * 60, max_tokens=8)],
    )
    assert fits.error is None and fits.dropped_shots == 0 and fits.prompt is None
    assert long.error is None and 0 < long.dropped_shots < 9
    assert long.prompt_tokens is not None and long.prompt_tokens + 8 <= 64
    assert long.prompt is not None and "shot 0" not in long.prompt and "shot 8" in long.prompt
    assert f"{long.dropped_shots} earliest shots dropped" in long.notes[0]
    assert hopeless.error is not None and "more than the model's context of 64" in hopeless.error
    scored = ask(asked, [Request(TextPrompt("cat", ("word " * 9,) * 5), choices={"A": " a", "B": " b"})])[0]
    assert scored.dropped_shots > 0 and set(scored.scores) == {"A", "B"}


def test_an_answer_longer_than_the_context_is_limited_and_noted(tmp_path: Path) -> None:
    save_tiny(tmp_path, positions=64)
    completion = ask(runner(tmp_path), [chat("cat", max_tokens=1000)])[0]
    assert completion.error is None and completion.completion_tokens is not None
    assert completion.prompt_tokens is not None
    assert completion.prompt_tokens + completion.completion_tokens <= 64
    assert "answer limited to" in completion.notes[0]


def test_without_a_chat_template_turns_are_joined_and_noted(tmp_path: Path) -> None:
    save_tiny(tmp_path, template=None)
    completion = ask(runner(tmp_path), [chat("cat", shots=1, max_tokens=4)])[0]
    assert completion.prompt == "shot 0\nthe\ncat"
    assert completion.notes == ("no chat template: turns joined as text",)


def test_out_of_memory_halves_the_batch_and_loses_nothing(tiny: Path) -> None:
    import torch

    requests = [chat(" ".join(WORDS[: 1 + n % 3]), max_tokens=5) for n in range(7)]
    expected = [completion.text for completion in ask(runner(tiny), requests)]
    asked = runner(tiny)
    generate = asked._model.generate

    def cramped(**given: Any) -> Any:
        if given["input_ids"].shape[0] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(**given)

    asked._model.generate = cramped
    assert [completion.text for completion in ask(asked, requests)] == expected

    def full(**given: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    asked._model.generate = full
    assert all("out of memory with" in str(c.error) for c in ask(asked, requests))


def test_temperature_samples(tiny: Path) -> None:
    requests = [chat("the cat", max_tokens=12, temperature=2.0) for _ in range(6)]
    assert len({completion.text for completion in ask(runner(tiny), requests)}) > 1


@pytest.mark.parametrize(
    ("prepare", "settings", "message"),
    [
        (lambda folder: None, {"target": "/no/such/model"}, "no such folder"),
        (lambda folder: None, {}, "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{}"), {}, "no weights"),
        (lambda folder: None, {"dtype": "float3"}, "unknown dtype 'float3'"),
        (lambda folder: None, {"device": "gpu"}, "'gpu' is no device"),
        (lambda folder: None, {"target": "a b"}, "no such folder"),
    ],
)
def test_what_check_finds(tmp_path: Path, prepare: Any, settings: dict[str, Any], message: str) -> None:
    prepare(tmp_path)
    config = ModelConfig("m", "hf", **{"target": str(tmp_path), **settings})
    with pytest.raises(UserError, match=message) as caught:
        HuggingFaceModel(config).check()
    assert "\n" not in str(caught.value)


def test_no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    config = ModelConfig("m", "hf", "someone/some-model")
    with pytest.raises(ModelUnusable, match="cannot be reached") as caught:
        HuggingFaceModel(config).check()
    assert "hf download someone/some-model" in str(caught.value)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnusable, match="HF_HUB_OFFLINE is set"):
        HuggingFaceModel(config).check()


def test_code_of_a_checkpoint_is_not_run_unasked(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model_type"] = "own"
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelUnusable, match="if you trust it, give --llm-trust-remote-code"):
        runner(tmp_path)


def test_broken_weights_are_one_line(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(ModelUnusable, match="cannot be loaded") as caught:
        runner(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_here(tiny: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ModelUnusable, match="use --llm-device=cpu"):
        runner(tiny, device="cuda")


@pytest.mark.parametrize(("share", "spread"), [(0.8, False), (0.9, True)])
def test_a_model_larger_than_one_gpu_is_spread(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, share: float, spread: bool
) -> None:
    """No GPU is needed: what a GPU would have free is made up, and loading is only recorded."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny)
    weights = sum(p.numel() for p in model.parameters()) * torch.bfloat16.itemsize
    asked: dict[str, Any] = {}

    class Loaded:
        def to(self, device: torch.device) -> Loaded:
            asked["to"] = device
            return self

    def from_pretrained(path: str, **options: Any) -> Loaded:
        asked.update(options)
        return Loaded()

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(weights / share), 0))
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", from_pretrained)
    config, gpu = ModelConfig("tiny", "hf", str(tiny)), torch.device("cuda", 0)
    hf_load._load_weights(config, hf_load.find(str(tiny)), gpu, torch.bfloat16, {"trust_remote_code": False})
    assert asked.get("device_map") == ("auto" if spread else None)
    assert asked.get("to") == (None if spread else gpu)

"""Tiny random local models for tests, and an engine around them without pytest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.types import ChatPrompt, Completion, Message, Request
from pytest_llmeval.models.base import Job
from pytest_llmeval.models.hf import load
from pytest_llmeval.models.hf.backend import context_limit, encode, make_engine
from pytest_llmeval.models.hf.encoding import Encoder
from pytest_llmeval.models.hf.local_engine import LocalEngine

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SENTENCE = "the cat sat on a mat and dog ran far away from home over hills green red blue one two three"
WORDS = SENTENCE.split()
#: what a clone has in place of a large file
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 4953\n"

_SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
#: architectures by name: the config class and its settings
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _SIZES | _HEADS),
    "qwen2": ("Qwen2Config", _SIZES | {"num_attention_heads": 4, "num_key_value_heads": 2}),
    "qwen3": ("Qwen3Config", _SIZES | _HEADS),
    "gemma2": ("Gemma2Config", _SIZES | _HEADS | {"sliding_window": 24, "query_pre_attn_scalar": 16}),
    "gemma3": ("Gemma3TextConfig", _SIZES | _HEADS | {"sliding_window": 24, "query_pre_attn_scalar": 16}),
    "mistral": ("MistralConfig", _SIZES | _HEADS | {"sliding_window": 20}),
    "gpt_neox": ("GPTNeoXConfig", _SIZES | {"num_attention_heads": 4}),
    "gpt2": ("GPT2Config", {"n_embd": 64, "n_layer": 3, "n_head": 4}),
    "gpt_oss": (
        "GptOssConfig",
        _SIZES | _HEADS | {"sliding_window": 24, "num_local_experts": 4, "num_experts_per_tok": 2},
    ),
    "mamba": ("MambaConfig", {"hidden_size": 64, "num_hidden_layers": 3, "state_size": 8}),
}
SHARING = tuple(name for name in ARCHITECTURES if name != "mamba")


def save_tokenizer(
    folder: Path, *, template: str | dict[str, str] | None = TEMPLATE, bos: bool = False, eos: bool = False
) -> int:
    """Save a byte-level tokenizer, which adds ``bos`` and ``eos``; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<|im_end|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    raw.train_from_iterator([SENTENCE] * 4, trainer)
    if bos or eos:
        raw.post_processor = processors.TemplateProcessing(
            single=f"{'<s> ' * bos}$A{' </s>' * eos}", special_tokens=[("<s>", 0), ("</s>", 1)]
        )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer saved in ``folder``."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def save_tiny(
    folder: Path,
    architecture: str = "llama",
    *,
    template: str | None = TEMPLATE,
    positions: int = 512,
    bos: bool = False,
    eos: bool = False,
) -> None:
    """Save a random model, with weights large enough for its answers to differ."""
    import torch
    import transformers

    size = save_tokenizer(folder, template=template, bos=bos, eos=eos)
    config_class, settings = ARCHITECTURES[architecture]
    torch.manual_seed(7)
    config = getattr(transformers, config_class)(
        vocab_size=size + 8,  # some tokenizers add tokens when loaded
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
        initializer_range=0.2,
        tie_word_embeddings=False,
        **({} if architecture == "mamba" else {"max_position_embeddings": positions}),
        **settings,
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)


class Local:
    """A local model and its engine without pytest; ``shared=False`` uses plain batches."""

    def __init__(self, folder: Path, *, shared: bool = True, **settings: Any) -> None:
        config = ModelConfig("tiny", "hf", str(folder), **settings)
        self.loaded = load.load(config, load.find(str(folder)))
        self.engine: LocalEngine
        self.engine, self.obstacle = make_engine(self.loaded, config, shared=shared)
        self._encoder = Encoder(self.loaded.tokenizer, context_limit(self.loaded, config))

    def ask(self, requests: Sequence[Request], at_once: int = 1000) -> list[Completion]:
        """The completions of ``requests``, of which ``at_once`` arrive before each step."""
        jobs = [Job(request) for request in requests]
        pending = list(jobs)
        while pending or self.engine.busy:
            self.engine.add(encode(pending[:at_once], self._encoder))
            del pending[:at_once]
            if self.engine.busy:
                self.engine.step()
        return [job.future.result(timeout=0) for job in jobs]


def chat(text: str, *, shots: int = 0, **sampling: Any) -> Request:
    """A chat request; the ``shots`` are the same for all requests."""
    turns = tuple(
        (Message("user", f"shot {number} {SENTENCE[:30]}"), Message("assistant", WORDS[number]))
        for number in range(shots)
    )
    return Request(ChatPrompt((Message("user", text),), turns), **sampling)

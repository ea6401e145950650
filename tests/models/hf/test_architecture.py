"""Only causal language models are evaluated; other kinds are named."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.hf.architecture import check_architecture

OWN_CODE = {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}
SERVER = ".*serve:vllm:PATH"


def check(folder: Path, *, trusted: bool = False, **config: Any) -> None:
    if isinstance(config.get("architectures"), str):
        config["architectures"] = [config["architectures"]]
    check_architecture(folder, config, "model m", trust_remote_code=trusted)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (("t5", "T5ForConditionalGeneration", {"is_encoder_decoder": True}), f"encoder-decoder.*T5{SERVER}"),
        (("bart", "BartModel", {"is_encoder_decoder": True}), "encoder-decoder model"),
        (("qwen2_vl", "Qwen2VLForConditionalGeneration", {"vision_config": {"a": 1}}), f"vision{SERVER}"),
        (("llava", "LlavaForConditionalGeneration", {"vision_config": {"a": 1}}), "vision-language"),
        (("bert", "BertForMaskedLM", {}), r"an encoder like BERT.*\(BertForMaskedLM\); use a causal"),
        (("bert", "BertModel", {}), "without a language head"),
        (("roberta", "RobertaForSequenceClassification", {}), "a classifier or reward model"),
        (("llama", "LlamaForSequenceClassification", {}), "a classifier or reward model"),
        (("qwen2", "Qwen2ForRewardModel", {}), "a classifier or reward model"),
        (("qwen2", "Qwen2ForProcessRewardModel", {}), "a classifier or reward model"),
        (("llama", "LlamaForTokenClassification", {}), "a classifier"),
        (("mistral", "MistralModel", {}), "without a language head, as for embeddings"),
        (("wav2vec2", "Wav2Vec2ForCTC", {}), "a speech model"),
        (("clip", "CLIPModel", {}), "without a language head"),
        (("vit", "ViTForImageClassification", {}), "a classifier"),
        (("vit", "SomethingElse", {}), "not a causal language model"),
        (
            ("nonsense", "NonsenseForCausalLM", {}),
            "architecture 'nonsense', which .*pip install -U transformers",
        ),
        ((None, "LlamaForCausalLM", {}), "names no model_type"),
        ((7, None, {}), "names no model_type"),
        (("mine", "MineForCausalLM", {"auto_map": OWN_CODE}), "code of its own.*--llm-trust-remote-code"),
    ],
)
def test_other_kinds_are_refused(tmp_path: Path, config: tuple[Any, Any, dict[str, Any]], says: str) -> None:
    model_type, architecture, more = config
    with pytest.raises(ModelUnusable, match=says) as caught:
        check(tmp_path, model_type=model_type, architectures=architecture, **more)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model_type", "architecture", "more"),
    [
        ("llama", "LlamaForCausalLM", {}),
        ("llama", None, {}),
        ("llama", ["LlamaForCausalLM", "Other"], {}),
        ("gpt2", "GPT2LMHeadModel", {}),
        ("gpt2", "GPT2DoubleHeadsModel", {}),
        ("bert", "BertLMHeadModel", {}),
        ("xlnet", "XLNetLMHeadModel", {}),
        ("gpt-sw3", "GPT2LMHeadModel", {}),  # a type without a folder of its own
        ("gemma3", "Gemma3ForConditionalGeneration", {"vision_config": {"a": 1}}),
        ("llama", "LlamaForCausalLM", {"auto_map": OWN_CODE}),  # transformers has it without that code
    ],
)
def test_causal_language_models_are_accepted(
    tmp_path: Path, model_type: str, architecture: Any, more: dict[str, Any]
) -> None:
    check(tmp_path, model_type=model_type, architectures=architecture, **more)


def test_own_code_that_is_trusted_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "config.py").touch()
    code = {**OWN_CODE, "AutoTokenizer": ["tokens.T", None], "AutoModel": "someone/else--other.Model"}
    mine: dict[str, Any] = {"model_type": "mine", "architectures": "MineModel", "auto_map": code}
    with pytest.raises(ModelUnusable, match=r"lacks mine.py, tokens.py, the code that its config.json names"):
        check(tmp_path, trusted=True, **mine)
    for name in ("mine.py", "tokens.py"):
        (tmp_path / name).touch()
    check(tmp_path, trusted=True, **mine)
    mine["auto_map"] = {"AutoModel": "mine.Model"}
    with pytest.raises(ModelUnusable, match="without a language head"):
        check(tmp_path, trusted=True, **mine)


def test_sentence_transformers(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    check(tmp_path, model_type="qwen3", architectures="Qwen3ForCausalLM")
    (tmp_path / "1_Pooling").mkdir()
    with pytest.raises(ModelUnusable, match="an embedding model of sentence-transformers"):
        check(tmp_path, model_type="qwen3", architectures="Qwen3ForCausalLM")
    shutil.rmtree(tmp_path / "1_Pooling")

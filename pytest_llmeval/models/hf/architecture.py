"""Which kind of model a checkpoint is, from its config: only causal language models are evaluated here.

transformers loads some others without a word, with random or unused parts, and their scores mean nothing.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import ModelUnusable, one_line

_CAUSAL = re.compile(r"ForCausalLM|LMHead|DoubleHeads|BertGenerationDecoder")
#: kinds of models that answer no prompts, by the end of the name of their class
_OTHER_KINDS = (
    (r"ForSequenceClassification|Reward\w*|ForScore|ValueHead\w*", "a classifier or reward model"),
    (
        r"ForMaskedLM|ForPreTraining|ForNextSentencePrediction",
        "an encoder like BERT, which fills in words",
    ),
    (r"For(Token|Image|Audio|Video)Classification|ForQuestionAnswering|ForMultipleChoice", "a classifier"),
    (r"For(CTC|SpeechSeq2Seq|TextToSpectrogram|TextToWaveform|AudioFrame\w+|AudioXVector)", "a speech model"),
    (r"Model|Encoder|ForTextEncoding|ForRetrieval", "a model without a language head, as for embeddings"),
)
_INSTEAD = "use a causal language model (ForCausalLM)"
_SERVE = f"{_INSTEAD}, or a server that has such models, for instance --llm-model=serve:vllm:PATH"


def check_architecture(
    folder: Path, config: Mapping[str, Any], where: str, *, trust_remote_code: bool
) -> None:
    """Check that the checkpoint in ``folder`` is a causal language model. Raises ``ModelUnusable``."""
    names = config.get("architectures")
    classes = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    kind = one_line(", ".join(classes) or config.get("model_type"), 80)
    if (folder / "modules.json").is_file() and any(folder.glob("*_Pooling")):
        raise ModelUnusable(
            f"{where}: {folder} is an embedding model of sentence-transformers ({kind}); {_INSTEAD}"
        )
    model_type = config.get("model_type")
    auto_map = config.get("auto_map")
    auto_map = auto_map if isinstance(auto_map, Mapping) else {}
    own_code = bool(auto_map) and (trust_remote_code or not _is_known(model_type))
    if own_code:
        _check_own_code(folder, auto_map, where, trust_remote_code)
        if "AutoModelForCausalLM" in auto_map:
            return
    if not isinstance(model_type, str):
        raise ModelUnusable(
            f"{where}: {folder / 'config.json'} names no model_type; is it the config of a language model?"
        )
    if config.get("is_encoder_decoder") is True:
        raise ModelUnusable(f"{where}: {folder} is an encoder-decoder model ({kind}); {_SERVE}")
    causal = any(map(_CAUSAL.search, classes))
    if not causal:
        for pattern, description in _OTHER_KINDS:
            if any(re.search(f"({pattern})$", name) for name in classes):
                raise ModelUnusable(f"{where}: {folder} is {description} ({kind}); {_INSTEAD}")
    if not (own_code or _is_known(model_type)):
        raise ModelUnusable(
            f"{where}: {folder} has the architecture {one_line(model_type, 60)!r}, which transformers "
            f"{metadata.version('transformers')} does not know; pip install -U transformers"
        )
    parts = [name for name in ("vision", "audio", "image", "speech") if config.get(f"{name}_config")]
    if (parts or not causal) and not _is_causal(model_type):
        description = "a vision-language or audio model" if parts else "not a causal language model"
        raise ModelUnusable(f"{where}: {folder} is {description} ({kind}); {_SERVE}")


def _check_own_code(folder: Path, auto_map: Mapping[str, Any], where: str, trusted: bool) -> None:
    """Check that the model's own code may run, and is there."""
    if not trusted:
        raise ModelUnusable(
            f"{where}: {folder} runs code of its own; if you trust it, pass --llm-trust-remote-code"
        )
    references = [
        reference
        for value in auto_map.values()
        for reference in (value if isinstance(value, list) else [value])
        if isinstance(reference, str) and "--" not in reference  # code of another repository
    ]
    missing = sorted(
        {file for name in references if not (folder / (file := f"{name.rpartition('.')[0]}.py")).is_file()}
    )
    if missing:
        raise ModelUnusable(
            f"{where}: {folder} lacks {one_line(', '.join(missing), 120)}, the code that its config.json "
            "names (auto_map); is the download complete?"
        )


def _is_known(model_type: object) -> bool:
    """Whether transformers has this type of model; it is imported only for types without a folder."""
    if not isinstance(model_type, str):
        return False
    package = importlib.util.find_spec("transformers")
    folders = list(package.submodule_search_locations or ()) if package is not None else []
    if any(
        (Path(folder) / "models" / model_type.replace("-", "_") / "__init__.py").is_file()
        for folder in folders
    ):
        return True
    from transformers import CONFIG_MAPPING

    return model_type in CONFIG_MAPPING


def _is_causal(model_type: str) -> bool:
    """Whether transformers can load this type as a causal language model."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

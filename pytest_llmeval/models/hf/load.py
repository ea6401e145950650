"""Loads weights onto a device from a path or hub id; checks run first, without importing torch."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable, one_line, unknown
from pytest_llmeval.core.paths import expanded
from pytest_llmeval.models.hf.architecture import check_architecture
from pytest_llmeval.models.hf.checkpoint import check_files, check_gguf
from pytest_llmeval.models.hf.tokenizer_fit import check_template, check_vocabulary, embedding_rows
from pytest_llmeval.models.hf.weights import load_weights
from pytest_llmeval.models.worker_resources import share_of

if TYPE_CHECKING:
    import torch

DTYPES = ("auto", "float32", "float16", "bfloat16", "float64")
_DEVICE = re.compile(r"auto|cpu|mps|(cuda|xpu|npu|hpu)(:\d+)?")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_HUB_TIMEOUT_S = 10
# the weights' part of one GPU's free memory; the rest is for activations and the cache
_SHARE_FOR_WEIGHTS = 0.85


@dataclass(frozen=True, slots=True)
class Source:
    """The source of weights: a folder or hub id, and the GGUF file in that folder, if any.

    ``revision`` is the commit of a hub id, if it is known.
    """

    path: str
    gguf_file: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory.

    ``context`` is its limit for prompt and answer in tokens, ``rows`` the number of tokens that it has an
    embedding of (None: unknown).
    """

    model: Any
    tokenizer: Any
    device: torch.device
    context: int | None
    rows: int | None = None


def check(config: ModelConfig) -> None:
    """Check whether ``config`` can be loaded, without importing torch. Raises ``ModelUnusable``."""
    where = f"model {config.name}"
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelUnusable(
            f"{where} needs {' and '.join(missing)}; pip install 'pytest-llmeval-harness[hf]'"
        )
    if config.dtype not in DTYPES:
        raise unknown("dtype", config.dtype, DTYPES, where=f"{where} (--llm-dtype)")
    if not _DEVICE.fullmatch(config.device):
        raise ModelUnusable(
            f"{where}: {one_line(repr(config.device), 60)} is not a device; "
            "use auto, cpu, cuda, cuda:1 or mps"
        )
    source = find(config.target)
    folder = Path(source.path)
    if source.gguf_file is not None:
        _check_gguf_packages(where)
        check_gguf(folder / source.gguf_file, where)
    elif folder.is_dir():
        settings = check_files(folder, where)
        check_architecture(folder, settings, where, trust_remote_code=config.trust_remote_code)
    else:
        _check_hub(source.path, where)


def find(target: str, kind: str = "hf") -> Source:
    """Resolve ``target``: a folder, a .gguf file or a hub id. Raises ``ModelUnusable`` for a missing path.

    ``kind`` is the backend that the error message names.
    """
    path = expanded(target)
    if path.is_file() and path.suffix == ".gguf":
        return Source(str(path.parent), path.name)
    if path.is_file():
        raise ModelUnusable(
            f"model {kind}:{one_line(target, 200)}: a file, but not a .gguf file; "
            "use the folder of a saved model"
        )
    if path.is_dir():
        return Source(str(path))
    if target.startswith((".", "~", os.sep)) or not _HUB_ID.fullmatch(target):
        raise ModelUnusable(f"model {kind}:{one_line(target, 200)}: no such folder; check the path")
    return Source(target)


def pin_revision(source: Source) -> Source:
    """Add the commit of a hub id to ``source``: the one in the hub's cache, or else the newest.

    A download during a run, or between two runs, then cannot change the model.
    """
    if source.gguf_file is not None or Path(source.path).is_dir():
        return source
    from huggingface_hub import HfApi, try_to_load_from_cache

    cached = try_to_load_from_cache(source.path, "config.json")
    if isinstance(cached, str):
        return replace(source, revision=Path(cached).parent.name)
    try:
        return replace(source, revision=HfApi().model_info(source.path, timeout=_HUB_TIMEOUT_S).sha)
    except Exception:  # loading will report the cause
        return source


def _check_gguf_packages(where: str) -> None:
    missing = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelUnusable(
            f"{where}: a GGUF file needs {' and '.join(missing)}; pip install 'pytest-llmeval-harness[hf]'"
        )


def _check_hub(repo: str, where: str) -> None:
    """Check that ``repo`` is in the hub's cache or on the hub. Raises ``ModelUnusable``."""
    from huggingface_hub import HfApi, constants, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(try_to_load_from_cache(repo, "config.json"), str):
        return
    hint = f"use the folder of a downloaded model, or fetch it first with: hf download {repo}"
    if constants.HF_HUB_OFFLINE:
        raise ModelUnusable(
            f"{where}: {repo} is neither a folder nor in the hub's cache, and HF_HUB_OFFLINE is set; {hint}"
        )
    try:
        HfApi().model_info(repo, timeout=_HUB_TIMEOUT_S)
    except GatedRepoError:
        raise ModelUnusable(
            f"{where}: {repo} requires its licence to be accepted on the hub; do so and set HF_TOKEN"
        ) from None
    except RepositoryNotFoundError:
        raise ModelUnusable(
            f"{where}: {repo} is not a folder, and the hub ({constants.ENDPOINT}) has no such model "
            "(if it is private, set HF_TOKEN); check the name"
        ) from None
    except Exception as error:  # the hub's client raises many types for network failures
        raise ModelUnusable(
            f"{where}: {repo} is not a folder, and the hub ({constants.ENDPOINT}) cannot be reached "
            f"({type(error).__name__}: {one_line(error, 80)}); {hint}"
        ) from None


def load(config: ModelConfig, source: Source) -> LoadedModel:
    """Load tokenizer and weights. Raises ``ModelUnusable`` with the cause."""
    import torch
    from transformers import AutoConfig, AutoTokenizer

    device = _device(config)
    _share_cores(config.share)
    where = f"model {config.name}"
    common: dict[str, Any] = {"trust_remote_code": config.trust_remote_code}
    if source.gguf_file is not None:
        common["gguf_file"] = source.gguf_file
    if source.revision is not None:
        common["revision"] = source.revision
    with quiet(), _load_errors(where, source.path):
        settings = None if source.gguf_file else AutoConfig.from_pretrained(source.path, **common)
        if settings is not None and not Path(source.path).is_dir():
            values = settings.to_dict()
            check_architecture(Path(source.path), values, where, trust_remote_code=config.trust_remote_code)
        tokenizer = AutoTokenizer.from_pretrained(source.path, **common)
        rows = None if settings is None else getattr(settings.get_text_config(), "vocab_size", None)
        check_template(tokenizer, source.path, where)
        if rows is not None:  # before the weights, which may take minutes
            check_vocabulary(tokenizer, rows, source.path, where)
        dtype = _dtype(config.dtype, device, getattr(settings, "dtype", None))
        model = _load_weights(config, source, device, dtype, common)
        if rows is None:
            rows = embedding_rows(model)
            if rows is not None:
                check_vocabulary(tokenizer, rows, source.path, where)
    model.eval()
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    text_settings = model.config.get_text_config()
    context = getattr(text_settings, "max_position_embeddings", None) or getattr(
        text_settings, "n_positions", None
    )
    if not isinstance(context, int) or context <= 0:
        context = None
    return LoadedModel(model, tokenizer, torch.device(model.device), context, rows)


def _load_weights(
    config: ModelConfig, source: Source, device: torch.device, dtype: torch.dtype, common: dict[str, Any]
) -> Any:
    import torch

    where = f"model {config.name}"
    if config.device == "auto" and device.type == "cuda" and _exceeds_gpu(source, device, dtype, common):
        if config.share[1] > 1 and torch.cuda.device_count() == 1:
            raise ModelUnusable(
                f"model {config.name} is larger than a worker's GPU; use fewer workers, so that each has "
                "several GPUs (-n1: all)"
            )
        if importlib.util.find_spec("accelerate") is None:
            raise ModelUnusable(
                f"model {config.name} is larger than one GPU; pip install accelerate to spread it"
            )
        return load_weights(where, source.path, dtype=dtype, device_map="auto", **common)
    return load_weights(where, source.path, dtype=dtype, **common).to(device)


def _exceeds_gpu(source: Source, device: torch.device, dtype: torch.dtype, common: dict[str, Any]) -> bool:
    """Whether the weights are too large for one GPU's free memory; reads only the config."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = AutoConfig.from_pretrained(source.path, **common)
    from_config: Any = AutoModelForCausalLM.from_config
    with torch.device("meta"):
        empty = from_config(settings, trust_remote_code=common["trust_remote_code"])
    free, _ = torch.cuda.mem_get_info(device)
    parameters: int = sum(parameter.numel() for parameter in empty.parameters())
    return parameters * dtype.itemsize > _SHARE_FOR_WEIGHTS * free


def _device(config: ModelConfig) -> torch.device:
    import torch

    if config.device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(config.device)
    number, workers = config.share
    if workers > 1 and device.type in ("xpu", "npu", "hpu") and device.index is None:
        device = torch.device(device.type, number)  # on CUDA each worker sees only its own
    module: Any = getattr(torch, device.type, None)
    if device.type != "cpu" and not (module is not None and module.is_available()):
        raise ModelUnusable(
            f"model {config.name}: device {config.device}, but torch {torch.__version__} finds none; "
            "use --llm-device=cpu, or install a build of torch for that device"
        )
    if device.index is not None and device.index >= module.device_count():
        raise ModelUnusable(
            f"model {config.name}: device {config.device}, but this machine has only {module.device_count()}"
        )
    return device


def _dtype(name: str, device: torch.device, stored: object) -> torch.dtype:
    """The named dtype; ``auto`` is half precision on a GPU (bfloat16 where possible), float32 on a CPU.

    ``stored`` is the checkpoint's dtype: float16 stays float16.
    """
    import torch

    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    if device.type == "cpu":
        return torch.float32
    if device.type != "cuda":
        return torch.float16
    if stored == torch.float16 or not torch.cuda.is_bf16_supported():
        return torch.float16
    return torch.bfloat16


@cache
def _all_threads() -> int:
    """Torch's default number of threads; cached before ``_share_cores`` changes it."""
    import torch

    return torch.get_num_threads()


def _share_cores(share: tuple[int, int]) -> None:
    """Divide the cores of one machine among its xdist workers."""
    import torch

    number, workers = share
    if workers > 1:
        torch.set_num_threads(max(1, share_of(_all_threads(), number, workers)))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' progress bars and warnings; the hub's download bars stay."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)


@contextlib.contextmanager
def _load_errors(where: str, path: str) -> Iterator[None]:
    """Turn exceptions of transformers into one-line ``ModelUnusable``."""
    try:
        yield
    except ModelUnusable:
        raise
    except Exception as error:
        if "trust_remote_code" in str(error):
            raise ModelUnusable(
                f"{where}: {path} runs code of its own; if you trust it, pass --llm-trust-remote-code"
            ) from None
        if "sentencepiece or tiktoken" in str(error):
            raise ModelUnusable(
                f"{where}: the tokenizer in {path} needs another package, or is not complete; "
                "pip install sentencepiece tiktoken, or save it with tokenizer.save_pretrained"
            ) from None
        raise ModelUnusable(
            f"{where}: {path} cannot be loaded: {type(error).__name__}: {one_line(error, 200)}"
        ) from None

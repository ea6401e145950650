"""What local weights are known by again: their files' contents, and how they are computed with."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from pytest_llmeval.errors import ModelUnusable
from pytest_llmeval.models.base import model_key
from pytest_llmeval.models.hf.load import Source
from pytest_llmeval.types import ModelConfig

#: raise it when this package begins to answer the same requests in another way
_ANSWERS = 1
_MATTER = frozenset(
    [
        *(".json", ".jinja", ".txt", ".model", ".tiktoken", ".py"),
        *(".safetensors", ".bin", ".gguf"),
    ]
)
_DEVICE_FILES = ("/dev/nvidia0", "/dev/kfd", "/dev/dxg")


def fingerprint(
    config: ModelConfig, source: Source, digest: Callable[[Path], str], kind: str | None = None
) -> str:
    """Changes when weights, config, tokenizer or template change, or dtype, device or transformers.

    ``digest`` gives a file's SHA-256; ``kind`` is that of the device, where it is another machine's.
    Raises ``ModelUnusable`` for files that cannot be read.
    """
    return model_key(
        {
            "answers": _ANSWERS,
            "weights": weights(source, digest),
            "dtype": config.dtype,
            "device": kind or _kind(config.device),
            "context": config.context,
            "transformers": metadata.version("transformers"),
        }
    )


def weights(source: Source, digest: Callable[[Path], str]) -> object:
    """What tells a model's files from any others: their digests, or the commit. Raises ``ModelUnusable``."""
    if source.revision:
        return [source.path, source.revision]
    folder = Path(source.path)
    try:
        return [[path.relative_to(folder).as_posix(), digest(path)] for path in _files(source)]
    except OSError as error:
        raise ModelUnusable(f"{error.filename}: cannot be read: {error.strerror}") from None


def _files(source: Source) -> list[Path]:
    folder = Path(source.path)
    if source.gguf_file is not None:
        return [folder / source.gguf_file]
    files = sorted(path for path in folder.iterdir() if path.suffix in _MATTER and path.is_file())
    return files + sorted(folder.glob("*_templates/*.jinja"))


def sizes(source: Source) -> list[tuple[str, int]]:
    """Names and bytes of a model's files; empty for one of the hub, which goes by its commit."""
    folder = Path(source.path)
    if source.revision is not None or not folder.is_dir():
        return []
    return [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in _files(source)]


def _kind(device: str) -> str:
    """The kind of a device, without its number; what ``auto`` will find is told without torch."""
    if device != "auto":
        return device.partition(":")[0]
    if sys.platform == "darwin":
        return "mps"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return "cpu" if hidden or not any(map(os.path.exists, _DEVICE_FILES)) else "gpu"

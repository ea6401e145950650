"""Load a checkpoint's weights, and refuse one that lacks some of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pytest_llmeval.core.errors import ModelUnusable, one_line

#: what training wrappers put into the names of weights: DataParallel and torch.compile
_WRAPPERS = {r"^(?:(?:module|_orig_mod)\.)+": "", r"_orig_mod\.": ""}
_VOCABULARY = r"embed|lm_head|wte|embed_out"
_MAX_NAMES = 3


def load_weights(where: str, path: str, **options: Any) -> Any:
    """The model in ``path``, with every weight from its files.

    transformers makes up random values for weights that are missing, and only logs them: the scores would
    be those of another model in each run. Names with the prefix of a training wrapper are read without it.
    Raises ``ModelUnusable`` for missing weights, and for those of another shape; tied weights are not
    missing.
    """
    from transformers import AutoModelForCausalLM

    from_pretrained: Any = AutoModelForCausalLM.from_pretrained
    # transformers' own error for another shape prints a table and says no more than that it did
    options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
    model, info = from_pretrained(path, **options)
    if info["missing_keys"] and any(_is_wrapped(name) for name in info["unexpected_keys"]):
        del model
        model, info = from_pretrained(path, key_mapping=dict(_WRAPPERS), **options)
    _check_shapes(where, path, info["mismatched_keys"])
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


def _check_shapes(
    where: str, path: str, mismatched: Iterable[tuple[str, Sequence[int], Sequence[int]]]
) -> None:
    """Check that no weight has another shape than the config gives it. Raises ``ModelUnusable``."""
    shapes = [
        f"{name} {list(stored)} instead of {list(wanted)}" for name, stored, wanted in sorted(mismatched)
    ]
    if shapes:
        more = ", ..." if len(shapes) > 1 else ""
        cause = "its vocab_size" if all(re.search(_VOCABULARY, shape) for shape in shapes) else "it"
        raise ModelUnusable(
            f"{where}: in {path}, weights have other shapes than config.json says "
            f"({one_line(shapes[0], 160)}{more}); does {cause} belong to these weights?"
        )


def _is_wrapped(name: str) -> bool:
    return any(re.search(pattern, name) for pattern in _WRAPPERS)


def _hint(unexpected: set[str]) -> str:
    """The weights that the files have instead, which tell what kind of checkpoint it is."""
    if not unexpected:
        return "; is a part of the checkpoint missing?"
    names = one_line(", ".join(sorted(unexpected)[:_MAX_NAMES]), 160)
    return f"; its files have {names} instead: is it a checkpoint of another kind of model?"

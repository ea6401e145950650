"""Checks that a tokenizer fits the weights, and that its chat template can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import ModelUnusable, one_line

_MAX_NAMES = 3
_ROLES = ("bos", "eos", "unk", "sep", "pad", "cls")
_TRIAL = "What is 2 + 2?"
#: a tokenizer with fewer tokens than this part of the embedding is probably another model's
_MIN_FILL = 0.5


def embedding_rows(model: Any) -> int | None:
    """The number of tokens that a loaded model has an embedding of; None if it does not say."""
    try:
        weight = model.get_input_embeddings().weight
    except (AttributeError, NotImplementedError):
        return None
    rows: int = weight.shape[0]
    return rows


def misfit_note(tokenizer: Any, rows: int | None, name: str) -> str | None:
    """A line for a tokenizer that is much smaller than the embedding, as another model's would be."""
    if rows is None or len(tokenizer) >= _MIN_FILL * rows:
        return None
    return (
        f"{name}: the tokenizer has {len(tokenizer):,} tokens, the weights {rows:,}; does it belong to them?"
    )


def check_vocabulary(tokenizer: Any, rows: int, path: str, where: str) -> None:
    """Check that each token of a text is one of the ``rows`` of the weights' embedding.

    A special token beyond them is tolerated if nothing uses it, such as Gemma 3's image token in its models
    of text; ``Encoder`` fails requests that have it. Raises ``ModelUnusable``.
    """
    beyond = {token: id for token, id in tokenizer.get_vocab().items() if id >= rows}
    if not beyond:
        return
    added = tokenizer.added_tokens_decoder
    if any(id not in added for id in beyond.values()):
        raise ModelUnusable(
            f"{where}: the tokenizer in {path} has {len(tokenizer):,} tokens, but the weights have "
            f"only {rows:,}; it belongs to another model: use the tokenizer that was saved with these weights"
        )
    named = {getattr(tokenizer, f"{role}_token", None) for role in _ROLES}
    templates = str(tokenizer.chat_template or "")
    used = [
        token
        for token, id in sorted(beyond.items(), key=lambda item: item[1])
        if not added[id].special or token in named or token in templates
    ]
    if used:
        raise ModelUnusable(
            f"{where}: the tokenizer in {path} has added tokens that the weights lack: {len(used)} beyond "
            f"their {rows:,} ({one_line(', '.join(used[:_MAX_NAMES]), 80)}); resize them before training "
            "(model.resize_token_embeddings), or use the tokenizer that was saved with these weights"
        )


def check_template(tokenizer: Any, path: str, where: str) -> None:
    """Check that the chat template, if there is one, renders a question. Raises ``ModelUnusable``."""
    if not tokenizer.chat_template:
        return
    file = Path(path) / "chat_template.jinja"
    template = f"the chat template in {file if file.is_file() else Path(path) / 'tokenizer_config.json'}"
    way_out = "correct it, or remove it (turns are then joined as text)"
    named = tokenizer.chat_template
    if isinstance(named, dict) and "default" not in named:
        names = one_line(", ".join(named), 80)
        raise ModelUnusable(
            f"{where}: {path} has several chat templates ({names}), but none is called default; "
            "rename the one to use to default"
        )
    try:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": _TRIAL}], add_generation_prompt=True, tokenize=False
        )
    except Exception as error:  # a template may fail in any way
        line = getattr(error, "lineno", None)
        place = f", line {line}" if line else ""
        reason = one_line(f"{type(error).__name__}: {error}", 120)
        kind = "has an error" if line else "fails for a plain question, perhaps for want of an argument"
        raise ModelUnusable(f"{where}: {template}{place} {kind} ({reason}); {way_out}") from None
    if _TRIAL not in text:
        raise ModelUnusable(
            f"{where}: {template} loses the text of a question, perhaps for want of an argument or because "
            f"it expects a list of parts; {way_out}"
        )

"""Computes batch and cache sizes from the free memory and the memory of one token."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

# tokens of a prefill: enough to keep the matrix units busy, few enough to keep activations small
_PREFILL_TOKENS = {"cpu": 1024}
_PREFILL_TOKENS_GPU = 8192
_MAX_ROWS = {"cpu": 64}
_MAX_ROWS_GPU = 256
# shares of the free memory: for cached prefixes, and for texts that are being decoded
_PREFIX_SHARE = 0.15
_DECODE_SHARE = 0.40
_MIN_TOKENS = 1024
_PLAIN_TOKENS_CPU = 16_384


@dataclass(frozen=True, slots=True)
class Budgets:
    """Upper limits: tokens of a prefill, of all cached prefixes and of all rows in decoding; and rows."""

    prefill_tokens: int
    cached_tokens: int
    decode_tokens: int
    max_rows: int


def budgets(device: torch.device, bytes_per_token: int, batch_tokens: int | None) -> Budgets:
    """Budgets for a model whose keys and values take ``bytes_per_token``.

    ``batch_tokens`` is the user's limit for a prefill.
    """
    free = free_bytes(device)

    def tokens(share: float) -> int:
        return max(_MIN_TOKENS, int(free * share / max(1, bytes_per_token)))

    return Budgets(
        prefill_tokens=batch_tokens or _PREFILL_TOKENS.get(device.type, _PREFILL_TOKENS_GPU),
        cached_tokens=tokens(_PREFIX_SHARE),
        decode_tokens=tokens(_DECODE_SHARE),
        max_rows=_MAX_ROWS.get(device.type, _MAX_ROWS_GPU),
    )


def free_bytes(device: torch.device) -> int:
    """Free memory of ``device`` in bytes; xdist workers divide the machine's memory among them."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    import psutil

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    available: int = psutil.virtual_memory().available
    return available // max(1, workers)


def plain_batch_tokens(model: Any, device: torch.device) -> int:
    """The maximum tokens of a padded batch, from the size of keys and values in the model's config."""
    if device.type != "cuda":
        return _PLAIN_TOKENS_CPU
    settings = model.config.get_text_config()
    all_heads: int = getattr(settings, "num_attention_heads", None) or 1
    heads: int = getattr(settings, "num_key_value_heads", None) or all_heads
    width: int = getattr(settings, "head_dim", None) or settings.hidden_size // all_heads
    bytes_per_token = 2 * settings.num_hidden_layers * heads * width * model.dtype.itemsize
    return max(_MIN_TOKENS, int(free_bytes(device) * _DECODE_SHARE / bytes_per_token))

"""How much to compute at once: from the memory that is free and what a token of the model takes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

# tokens of one pass: enough to keep the matrix units busy, few enough for activations to stay small
_PASS_TOKENS = {"cpu": 1024}
_PASS_TOKENS_GPU = 8192
_MOST_ROWS = {"cpu": 64}
_MOST_ROWS_GPU = 256
# of the free memory: what shared prefixes may take, and what texts being written may take
_SHARE_KEPT = 0.15
_SHARE_ROWS = 0.40
_LEAST_TOKENS = 1024
_PLAIN_TOKENS_CPU = 16_384


@dataclass(frozen=True, slots=True)
class Budgets:
    """Most tokens of a pass, of kept prefixes and of all rows being written, and most rows."""

    pass_tokens: int
    kept_tokens: int
    row_tokens: int
    most_rows: int


def budgets(device: torch.device, bytes_a_token: int, batch_tokens: int | None) -> Budgets:
    """Budgets for a model whose keys and values take ``bytes_a_token``; ``batch_tokens`` caps a pass."""
    free = free_bytes(device)

    def tokens(share: float) -> int:
        return max(_LEAST_TOKENS, int(free * share / max(1, bytes_a_token)))

    return Budgets(
        pass_tokens=batch_tokens or _PASS_TOKENS.get(device.type, _PASS_TOKENS_GPU),
        kept_tokens=tokens(_SHARE_KEPT),
        row_tokens=tokens(_SHARE_ROWS),
        most_rows=_MOST_ROWS.get(device.type, _MOST_ROWS_GPU),
    )


def free_bytes(device: torch.device) -> int:
    """Memory that may still be taken on ``device``; of the machine's, a worker of xdist takes its part."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    import psutil

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    available: int = psutil.virtual_memory().available
    return available // max(1, workers)


def plain_tokens(model: Any, device: torch.device) -> int:
    """Most tokens of a padded batch, from what its config says of keys and values."""
    if device.type != "cuda":
        return _PLAIN_TOKENS_CPU
    settings = model.config.get_text_config()
    all_heads: int = getattr(settings, "num_attention_heads", None) or 1
    heads: int = getattr(settings, "num_key_value_heads", None) or all_heads
    width: int = getattr(settings, "head_dim", None) or settings.hidden_size // all_heads
    a_token = 2 * settings.num_hidden_layers * heads * width * model.dtype.itemsize
    return max(_LEAST_TOKENS, int(free_bytes(device) * _SHARE_ROWS / a_token))

"""Copies Python numbers to a device."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def tensor_on(
    device: torch.device, values: Sequence[int] | Sequence[float] | Sequence[list[int]]
) -> torch.Tensor:
    """``values`` as a tensor on ``device``; to a GPU the copy is asynchronous, from pinned memory."""
    if device.type == "cuda":
        return torch.tensor(values, pin_memory=True).to(device, non_blocking=True)
    return torch.tensor(values, device=device)

"""Budgets from the free memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from pytest_llmeval.models.hf import memory

CPU = torch.device("cpu")


def test_budgets_are_the_free_memory_divided_by_the_size_of_a_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10_000_000_000)
    small, large = memory.budgets(CPU, 10_000, None), memory.budgets(CPU, 40_000, None)
    assert small.cached_tokens == 4 * large.cached_tokens == 150_000
    assert small.decode_tokens == 4 * large.decode_tokens == 400_000
    assert (small.cached_tokens + small.decode_tokens) * 10_000 < 10_000_000_000
    assert memory.budgets(CPU, 10_000, 77).prefill_tokens == 77
    assert memory.budgets(CPU, 1 << 60, None).cached_tokens > 0


def test_xdist_workers_divide_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=900))
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    assert memory.free_bytes(CPU) == 900
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    assert memory.free_bytes(CPU) == 300

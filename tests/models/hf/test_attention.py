"""Attention computed in parts equals attention to the whole."""

from __future__ import annotations

import pytest
import torch

from pytest_llmeval.models.hf.attention import (
    NAME,
    AttentionParams,
    PrefillView,
    attend,
    attend_grouped,
    merge,
    use_view,
)
from pytest_llmeval.models.hf.decode_cache import DecodeCache, DecodeView
from pytest_llmeval.models.hf.planner import Planner
from pytest_llmeval.models.hf.prefill import Item, PrefillBatch

PARAMS = [
    AttentionParams(0.3),
    AttentionParams(0.3, cap=2.0),
    AttentionParams(0.3, window=7),
    AttentionParams(0.3, cap=2.0, window=40),
]
LAYER = torch.nn.Identity()


def reference_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, params: AttentionParams
) -> torch.Tensor:
    """Causal attention of one prompt, from the formula: [heads, tokens, width]."""
    times = query.shape[0] // key.shape[0]
    key, value = key.repeat_interleave(times, 0), value.repeat_interleave(times, 0)
    scores = query @ key.transpose(1, 2) * params.scale
    if params.cap is not None:
        scores = params.cap * torch.tanh(scores / params.cap)
    distance = torch.arange(query.shape[1])[:, None] - torch.arange(key.shape[1])
    seen = distance >= 0
    if params.window is not None:
        seen &= distance < params.window
    return scores.masked_fill(~seen, -torch.inf).softmax(-1) @ value


@pytest.mark.parametrize("params", PARAMS)
def test_merging_two_parts_equals_attention_to_all_keys(params: AttentionParams) -> None:
    torch.manual_seed(1)
    query, key, value = torch.randn(4, 5, 16), torch.randn(2, 30, 16), torch.randn(2, 30, 16)
    whole, lse = attend_grouped(query, key, value, params)
    first = attend_grouped(query, key[:, :11], value[:, :11], params)
    second = attend_grouped(query, key[:, 11:], value[:, 11:], params)
    merged, merged_lse = merge(*first, *second)
    torch.testing.assert_close(merged, whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(merged_lse, lse, atol=1e-5, rtol=1e-5)


def test_a_part_without_visible_keys_changes_nothing() -> None:
    query, key, value = torch.randn(2, 3, 8), torch.randn(1, 6, 8), torch.randn(1, 6, 8)
    mask = torch.ones(3, 6, dtype=torch.bool)
    mask[1] = False
    out, lse = attend_grouped(query, key, value, AttentionParams(1.0), mask)
    assert out[:, 1].eq(0).all() and lse[:, 1].eq(-torch.inf).all()
    whole, whole_lse = attend_grouped(query, key, value, AttentionParams(1.0))
    merged, merged_lse = merge(whole, whole_lse, out, lse)
    torch.testing.assert_close(merged[:, 1], whole[:, 1])
    assert merged.isfinite().all() and merged_lse.isfinite().all()
    other, _ = merge(out, lse, whole, whole_lse)
    torch.testing.assert_close(other[:, 1], whole[:, 1])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("width", [16, 24])
def test_kernels_agree_with_the_formula(causal: bool, width: int) -> None:
    torch.manual_seed(2)
    query, key = torch.randn(2, 3, 9, 16), torch.randn(2, 3, 9, 16)
    value = torch.randn(2, 3, 9, width)
    out, lse = attend(query, key, value, AttentionParams(0.5), causal=causal)
    scores = query @ key.transpose(-1, -2) * 0.5
    if causal:
        scores = scores.masked_fill(~torch.ones(9, 9, dtype=torch.bool).tril(), -torch.inf)
    torch.testing.assert_close(out, scores.softmax(-1) @ value)
    torch.testing.assert_close(lse, scores.logsumexp(-1))


def packed(
    batch: PrefillBatch, tables: dict[int, torch.Tensor], prompts: list[tuple[int, ...]]
) -> torch.Tensor:
    """The columns of ``tables`` (one per token of each prompt) in the order of the batch."""
    columns = []
    for segment in batch.segments:
        number = next(
            number
            for number, prompt in enumerate(prompts)
            if prompt[segment.start : segment.start + len(segment.tokens)] == segment.tokens
        )
        columns.append(tables[number][:, segment.start : segment.start + len(segment.tokens)])
    return torch.cat(columns, 1)


@pytest.mark.parametrize("params", PARAMS)
def test_a_prefill_and_a_decode_step_attend_as_single_prompts_do(params: AttentionParams) -> None:
    torch.manual_seed(3)
    common = tuple(range(40))
    prompts = [(*common, *range(100 * n, 100 * n + size)) for n, size in enumerate((5, 31, 9, 3), start=1)]
    length = max(map(len, prompts))
    shared = [torch.randn(heads, 40, 16) for heads in (4, 2, 2)]
    endings = [[torch.randn(heads, length - 40, 16) for heads in (4, 2, 2)] for _ in prompts]
    tables = [
        [torch.cat([begin, end], 1) for begin, end in zip(shared, ends, strict=True)] for ends in endings
    ]
    expected = [
        reference_attention(*(part[:, : len(prompt)] for part in table), params)
        for table, prompt in zip(tables, prompts, strict=True)
    ]

    planner = Planner(1000, 1000)
    planner.add(Item(n, prompt[:-2], ((prompt[-2],),), max_new_tokens=2) for n, prompt in enumerate(prompts))
    batch = planner.next_batch()
    assert batch.tokens == 40 + sum(len(prompt) - 41 for prompt in prompts)
    positions = torch.tensor([s.start + at for s in batch.segments for at in range(len(s.tokens))])
    cached: dict = {}
    decode_cache = DecodeCache()
    on_kv = decode_cache.add_rows(batch.placements, positions.device)
    view = PrefillView(batch, cached, positions, on_kv)
    parts = [packed(batch, {n: t[kind] for n, t in enumerate(tables)}, prompts) for kind in range(3)]
    out, _ = view.attend(LAYER, *parts, params)
    for placement in batch.placements:
        number, index = placement.item.number, placement.logit_indices[0][0]
        torch.testing.assert_close(out[:, index], expected[number][:, len(prompts[number]) - 2])

    # remove a row, so that the last one takes its place; then decode the last token of the others
    order = [placement.item.number for placement in batch.placements]
    prefixes = {placement.item.number: placement.prefix for placement in batch.placements}
    decode_cache.remove(1)
    order[1] = order.pop()
    decode_cache.grow()
    decoding = DecodeView(decode_cache, cached, [40] * 3, [prefixes[n] for n in order], positions.device)
    last = [torch.stack([tables[n][kind][:, len(prompts[n]) - 1] for n in order], 1) for kind in range(3)]
    out, _ = decoding.attend(LAYER, *last, params)
    for row, number in enumerate(order):
        torch.testing.assert_close(out[:, row], expected[number][:, len(prompts[number]) - 1])


def test_it_is_registered_with_transformers_and_rejects_a_mask() -> None:
    from transformers import AttentionInterface

    from pytest_llmeval.models.hf import attention

    attention.register()
    assert AttentionInterface()[NAME] is attention.shared_attention
    tensor = torch.randn(1, 2, 3, 8)
    planner = Planner(10, 10)
    view = PrefillView(planner.next_batch(), {}, torch.arange(3))
    with use_view(view), pytest.raises(ValueError, match="mask"):
        attention.shared_attention(LAYER, tensor, tensor, tensor, torch.ones(3, 3))


def test_an_overflow_is_not_hidden() -> None:
    """Scores beyond float16 are not weights of zero: the answer would be finite, and wrong."""
    query, key = (torch.full((1, 1, 3, 8), 300.0, dtype=torch.float16) for _ in range(2))
    value = torch.ones((1, 1, 3, 4), dtype=torch.float16)  # narrower than keys: without a kernel
    out, lse = attend(query, key, value, AttentionParams(1.0))
    assert out.isnan().all()
    merged, _ = merge(torch.ones_like(out), torch.zeros_like(lse), out, lse)
    assert merged.isnan().all()

"""Attention in parts is attention to the whole."""

from __future__ import annotations

import pytest
import torch

from pytest_llmeval.models.hf.attention import NAME, PassView, Style, attend, folded, merge, viewing
from pytest_llmeval.models.hf.passes import Item, Pass
from pytest_llmeval.models.hf.prefixes import Planner
from pytest_llmeval.models.hf.slots import Slots, SlotView

STYLES = [Style(0.3), Style(0.3, cap=2.0), Style(0.3, window=7), Style(0.3, cap=2.0, window=40)]
LAYER = torch.nn.Identity()


def plainly(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, style: Style) -> torch.Tensor:
    """Causal attention of one prompt, written out: [heads, tokens, width]."""
    times = query.shape[0] // key.shape[0]
    key, value = key.repeat_interleave(times, 0), value.repeat_interleave(times, 0)
    scores = query @ key.transpose(1, 2) * style.scale
    if style.cap is not None:
        scores = style.cap * torch.tanh(scores / style.cap)
    far = torch.arange(query.shape[1])[:, None] - torch.arange(key.shape[1])
    seen = far >= 0
    if style.window is not None:
        seen &= far < style.window
    return scores.masked_fill(~seen, -torch.inf).softmax(-1) @ value


@pytest.mark.parametrize("style", STYLES)
def test_two_parts_merged_are_the_whole(style: Style) -> None:
    torch.manual_seed(1)
    query, key, value = torch.randn(4, 5, 16), torch.randn(2, 30, 16), torch.randn(2, 30, 16)
    whole, lse = folded(query, key, value, style)
    first = folded(query, key[:, :11], value[:, :11], style)
    second = folded(query, key[:, 11:], value[:, 11:], style)
    merged, merged_lse = merge(*first, *second)
    torch.testing.assert_close(merged, whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(merged_lse, lse, atol=1e-5, rtol=1e-5)


def test_a_query_that_sees_nothing_adds_nothing() -> None:
    query, key, value = torch.randn(2, 3, 8), torch.randn(1, 6, 8), torch.randn(1, 6, 8)
    mask = torch.ones(3, 6, dtype=torch.bool)
    mask[1] = False
    out, lse = folded(query, key, value, Style(1.0), mask)
    assert out[:, 1].eq(0).all() and lse[:, 1].eq(-torch.inf).all()
    whole, whole_lse = folded(query, key, value, Style(1.0))
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
    out, lse = attend(query, key, value, Style(0.5), causal=causal)
    scores = query @ key.transpose(-1, -2) * 0.5
    if causal:
        scores = scores.masked_fill(~torch.ones(9, 9, dtype=torch.bool).tril(), -torch.inf)
    torch.testing.assert_close(out, scores.softmax(-1) @ value)
    torch.testing.assert_close(lse, scores.logsumexp(-1))


def packed(planned: Pass, tables: dict[int, torch.Tensor], prompts: list[tuple[int, ...]]) -> torch.Tensor:
    """The rows of ``tables`` (token by token of each prompt) in the order of the pass."""
    columns = []
    for segment in planned.segments:
        number = next(
            number
            for number, prompt in enumerate(prompts)
            if prompt[segment.start : segment.start + len(segment.tokens)] == segment.tokens
        )
        columns.append(tables[number][:, segment.start : segment.start + len(segment.tokens)])
    return torch.cat(columns, 1)


@pytest.mark.parametrize("style", STYLES)
def test_a_pass_and_then_slots_attend_as_single_prompts(style: Style) -> None:
    torch.manual_seed(3)
    common = tuple(range(40))
    prompts = [(*common, *range(100 * n, 100 * n + own)) for n, own in enumerate((5, 31, 9, 3), start=1)]
    length = max(map(len, prompts))
    shared = [torch.randn(heads, 40, 16) for heads in (4, 2, 2)]
    own = [[torch.randn(heads, length - 40, 16) for heads in (4, 2, 2)] for _ in prompts]
    tables = [[torch.cat([begin, end], 1) for begin, end in zip(shared, ends, strict=True)] for ends in own]
    whole = [plainly(*(part[:, : len(p)] for part in t), style) for t, p in zip(tables, prompts, strict=True)]

    planner = Planner(1000, 1000)
    planner.add(Item(n, prompt[:-2], ((prompt[-2],),), room=2) for n, prompt in enumerate(prompts))
    planned = planner.next_pass()
    assert planned.tokens == 40 + sum(len(prompt) - 41 for prompt in prompts)
    positions = torch.tensor([s.start + at for s in planned.segments for at in range(len(s.tokens))])
    kept: dict = {}
    slots = Slots()
    view = PassView(planned, kept, positions, hand=slots.filler(planned.placed, positions.device))
    parts = [packed(planned, {n: t[kind] for n, t in enumerate(tables)}, prompts) for kind in range(3)]
    out, _ = view.attend(LAYER, *parts, style)
    for placed in planned.placed:
        number, place = placed.item.number, placed.wanted[0][0]
        torch.testing.assert_close(out[:, place], whole[number][:, len(prompts[number]) - 2])

    # a row that ends gives its slot to the last; then each of the others gets its last token
    order = [placed.item.number for placed in planned.placed]
    histories = {placed.item.number: placed.history for placed in planned.placed}
    slots.remove(1)
    order[1] = order.pop()
    slots.grow()
    writing = SlotView(slots, kept, [40] * 3, [histories[n] for n in order], positions.device)
    last = [torch.stack([tables[n][kind][:, len(prompts[n]) - 1] for n in order], 1) for kind in range(3)]
    out, _ = writing.attend(LAYER, *last, style)
    for row, number in enumerate(order):
        torch.testing.assert_close(out[:, row], whole[number][:, len(prompts[number]) - 1])


def test_transformers_knows_it_by_name_and_a_mask_is_refused() -> None:
    from transformers import AttentionInterface

    from pytest_llmeval.models.hf import attention

    attention.register()
    assert AttentionInterface()[NAME] is attention.shared_attention
    tensor = torch.randn(1, 2, 3, 8)
    planner = Planner(10, 10)
    view = PassView(planner.next_pass(), {}, torch.arange(3))
    with viewing(view), pytest.raises(ValueError, match="mask"):
        attention.shared_attention(LAYER, tensor, tensor, tensor, torch.ones(3, 3))

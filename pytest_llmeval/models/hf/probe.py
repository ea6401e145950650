"""Whether a model may share prefixes: looked at, not looked up.

Three short prompts that share their beginning are read once under shared attention and once as the
model itself does; a few tokens are written. What does not give the same logits is not shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.models.hf import attention
from pytest_llmeval.models.hf.copies import tensor_on
from pytest_llmeval.models.hf.forward import Forward
from pytest_llmeval.models.hf.passes import Item, Pass
from pytest_llmeval.models.hf.prefixes import Planner
from pytest_llmeval.models.hf.slots import Slots, SlotView

_SHARED, _MIDDLE = 32, 28
_OWN = (3, 9, 6)
# of the largest logit: rounding of half precision, and of full
_HALF, _FULL = 0.05, 1e-3
_LAYERS = {"full_attention", "sliding_attention", "attention"}


@dataclass(frozen=True, slots=True)
class Finding:
    """``why_not`` is None where prefixes can be shared; ``bytes_a_token`` of keys and values then."""

    why_not: str | None
    bytes_a_token: int = 0


@torch.inference_mode()
def probe(model: Any, device: torch.device) -> Finding:
    """Set ``model`` to shared attention if that gives the same logits; else leave it as it was."""
    name = type(model).__name__
    settings = model.config.get_text_config()
    strange = set(getattr(settings, "layer_types", None) or ()) - _LAYERS
    if strange:
        return Finding(f"{name} has layers of its own kind ({', '.join(sorted(strange))})")
    before = model.config._attn_implementation
    attention.register()
    try:
        prompts = _prompts(settings.vocab_size)
        plain = torch.stack([_last_logits(model, prompt, device) for prompt in prompts])
        model.set_attn_implementation(attention.NAME)
        if model.config.get_text_config()._attn_implementation != attention.NAME:
            raise ValueError("it brings an attention of its own")
        shared, size = _shared_logits(model, prompts, device, windowed=_windowed(settings))
    except Exception as error:
        model.set_attn_implementation(before)
        return Finding(f"{name} cannot: {type(error).__name__}: {one_line(error, 120)}")
    limit = (_FULL if model.dtype == torch.float32 else _HALF) * float(plain.abs().max().clamp(min=1))
    off = float((shared - plain).abs().max())
    if not off <= limit:
        model.set_attn_implementation(before)
        return Finding(f"{name} then gives other answers (a logit differs by {off:.2g})")
    return Finding(None, size)


def _windowed(settings: Any) -> bool:
    """Whether some layers look back a limited way only."""
    kinds = getattr(settings, "layer_types", None)
    if kinds:
        return "sliding_attention" in kinds
    return bool(getattr(settings, "sliding_window", None)) and getattr(settings, "use_sliding_window", True)


def _prompts(vocabulary: int) -> list[tuple[int, ...]]:
    chance = torch.Generator().manual_seed(0)
    low = min(vocabulary // 10, 1000)  # the first ones are often special

    def some(count: int) -> list[int]:
        drawn: list[int] = torch.randint(low, vocabulary, (count,), generator=chance).tolist()
        return drawn

    shared, middle = some(_SHARED), some(_MIDDLE)
    heads = [shared, [*shared, *middle], [*shared, *middle]]
    return [(*head, *some(own)) for head, own in zip(heads, _OWN, strict=True)]


def _last_logits(model: Any, prompt: Sequence[int], device: torch.device) -> torch.Tensor:
    ids = torch.tensor([prompt], device=device)
    logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits[0, -1].float()
    return logits


class _Watched:
    """A view that notes the windows that layers ask for."""

    def __init__(self, view: attention.View) -> None:
        self._view = view
        self.windows: set[int | None] = set()

    def attend(
        self,
        layer: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        style: attention.Style,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.windows.add(style.window)
        return self._view.attend(layer, query, key, value, style)


def _shared_logits(
    model: Any, prompts: Sequence[tuple[int, ...]], device: torch.device, *, windowed: bool
) -> tuple[torch.Tensor, int]:
    """Each prompt's last logits, its last token being written in a slot; and the bytes of a token."""
    forward = Forward(model, device)
    planner = Planner(1 << 20, 1 << 20)
    planner.add(Item(number, prompt[:-2], ((prompt[-2],),), 2) for number, prompt in enumerate(prompts))
    planned: Pass = planner.next_pass()
    kept: attention.Kept = {}
    slots = Slots()
    positions = [one.start + at for one in planned.segments for at in range(len(one.tokens))]
    where = tensor_on(device, positions)
    view = attention.PassView(planned, kept, where, hand=slots.filler(planned.placed, device))
    watched = _Watched(view)
    forward([token for one in planned.segments for token in one.tokens], where, None, watched)
    if not kept:
        raise ValueError("no layer asks for shared attention")
    if windowed and watched.windows == {None}:
        raise ValueError("its sliding window is not told")
    starts = [placed.item.prompt_tokens - placed.computed for placed in planned.placed]
    slots.grow()
    writing = SlotView(slots, kept, starts, [placed.history for placed in planned.placed], device)
    ends = [placed.item.prompt_tokens for placed in planned.placed]
    order = [placed.item.number for placed in planned.placed]
    logits = forward([prompts[number][-1] for number in order], tensor_on(device, ends), None, writing)
    one = next(iter(kept.values()))
    tokens = next(iter(one.values()))[0].shape[1]
    size = sum(key.nbytes + value.nbytes for key, value in one.values()) // tokens
    return logits[[order.index(number) for number in range(len(prompts))]], size

"""Tests whether a model can share prefixes, rather than looking it up in a list of architectures.

Three short prompts with a common prefix run once with shared attention, prefill and one decode step,
and once with the model's own attention. Prefixes are shared only if the logits agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.models.hf import attention
from pytest_llmeval.models.hf.decode_cache import DecodeCache, DecodeView
from pytest_llmeval.models.hf.forward import Forward, dtype_name
from pytest_llmeval.models.hf.planner import Planner
from pytest_llmeval.models.hf.prefill import Item
from pytest_llmeval.models.hf.tensors import tensor_on

# lengths in tokens: a prefix of all prompts, a second one of the last two, and the rest of each
_SHARED, _MIDDLE = 32, 28
_UNSHARED = (3, 9, 6)
#: tolerated rounding, relative to the largest logit: in full precision, and in half precision
EXACT, _HALF = 1e-4, 0.05
_SUPPORTED_LAYERS = {"full_attention", "sliding_attention", "attention"}


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """``obstacle`` is the reason why prefixes cannot be shared; None if they can.

    ``bytes_per_token`` is the size of one token's keys and values in all layers, if prefixes can be shared.
    """

    obstacle: str | None
    bytes_per_token: int = 0


@torch.inference_mode()
def probe(model: Any, device: torch.device) -> ProbeResult:
    """Switch ``model`` to shared attention if that gives the same logits; else leave it unchanged."""
    name = type(model).__name__
    settings = model.config.get_text_config()
    unsupported = set(getattr(settings, "layer_types", None) or ()) - _SUPPORTED_LAYERS
    if unsupported:
        return ProbeResult(f"{name} has unsupported layers ({', '.join(sorted(unsupported))})")
    before = model.config._attn_implementation
    attention.register()
    try:
        prompts = _prompts(model)
        plain = torch.stack([_last_logits(model, prompt, device) for prompt in prompts])
        model.set_attn_implementation(attention.NAME)
        if model.config.get_text_config()._attn_implementation != attention.NAME:
            raise ValueError("it does not use transformers' attention interface")
        shared, bytes_per_token = _shared_logits(model, prompts, device, windowed=_windowed(settings))
    except Exception as error:
        model.set_attn_implementation(before)
        return ProbeResult(f"{name} does not support it: {type(error).__name__}: {one_line(error, 120)}")
    if not bool(plain.isfinite().all()):
        model.set_attn_implementation(before)
        return ProbeResult(f"{name} gives logits that are not finite in {dtype_name(model)}")
    difference = differs_by(shared, plain)
    if not difference <= tolerance(model, plain):  # also true of NaN
        model.set_attn_implementation(before)
        return ProbeResult(f"{name} gives different logits with it (by up to {difference:.2g})")
    return ProbeResult(None, bytes_per_token)


def tolerance(model: Any, logits: torch.Tensor) -> float:
    """By how much other kernels may change ``logits`` of ``model``: the rounding of its dtype."""
    exact = model.dtype in (torch.float32, torch.float64)
    return (EXACT if exact else _HALF) * float(logits.abs().max())


def differs_by(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference of two tensors of logits; NaN if one has a NaN."""
    return float((one - other).abs().max())


def draw_tokens(model: Any, lengths: Sequence[int]) -> list[list[int]]:
    """Random tokens of ``model``, the same in every run, as lists of the given lengths."""
    generator = torch.Generator().manual_seed(0)
    vocabulary = model.config.get_text_config().vocab_size
    low = min(vocabulary // 10, 1000)  # the first ids are often special tokens
    return [torch.randint(low, vocabulary, (length,), generator=generator).tolist() for length in lengths]


def _windowed(settings: Any) -> bool:
    """Whether some layers have a sliding window."""
    layers = getattr(settings, "layer_types", None)
    if layers:
        return "sliding_attention" in layers
    return bool(getattr(settings, "sliding_window", None)) and getattr(settings, "use_sliding_window", True)


def _prompts(model: Any) -> list[tuple[int, ...]]:
    shared, middle, *rest = draw_tokens(model, (_SHARED, _MIDDLE, *_UNSHARED))
    heads = [shared, [*shared, *middle], [*shared, *middle]]
    return [(*head, *tail) for head, tail in zip(heads, rest, strict=True)]


def _last_logits(model: Any, prompt: Sequence[int], device: torch.device) -> torch.Tensor:
    ids = torch.tensor([prompt], device=device)
    logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits[0, -1].float()
    return logits


class _WindowRecorder:
    """A view that records the sliding windows that layers pass."""

    def __init__(self, view: attention.View) -> None:
        self._view = view
        self.windows: set[int | None] = set()

    def attend(
        self,
        layer: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        params: attention.AttentionParams,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.windows.add(params.window)
        return self._view.attend(layer, query, key, value, params)


def _shared_logits(
    model: Any, prompts: Sequence[tuple[int, ...]], device: torch.device, *, windowed: bool
) -> tuple[torch.Tensor, int]:
    """Each prompt's last logits [prompts, vocabulary], and the bytes of one token's keys and values.

    The last token of each prompt runs as a decode step.
    """
    forward = Forward(model, device)
    planner = Planner(1 << 20, 1 << 20)
    planner.add(Item(number, prompt[:-2], ((prompt[-2],),), 2) for number, prompt in enumerate(prompts))
    batch = planner.next_batch()
    cached: attention.CachedKV = {}
    decode_cache = DecodeCache()
    positions = tensor_on(
        device,
        [segment.start + offset for segment in batch.segments for offset in range(len(segment.tokens))],
    )
    on_kv = decode_cache.add_rows(batch.placements, device)
    recorder = _WindowRecorder(attention.PrefillView(batch, cached, positions, on_kv))
    forward([token for segment in batch.segments for token in segment.tokens], positions, None, recorder)
    if not cached:
        raise ValueError("no layer calls shared attention")
    if windowed and recorder.windows == {None}:
        raise ValueError("its layers do not pass their sliding window")
    starts = [placement.item.prompt_tokens - placement.computed for placement in batch.placements]
    decode_cache.grow()
    prefixes = [placement.prefix for placement in batch.placements]
    view = DecodeView(decode_cache, cached, starts, prefixes, device)
    last = tensor_on(device, [placement.item.prompt_tokens for placement in batch.placements])
    order = [placement.item.number for placement in batch.placements]
    logits = forward([prompts[number][-1] for number in order], last, None, view)
    layers = next(iter(cached.values())).values()
    tokens = next(iter(layers))[0].shape[1]
    bytes_per_token = sum(key.nbytes + value.nbytes for key, value in layers) // tokens
    return logits[[order.index(number) for number in range(len(prompts))]], bytes_per_token

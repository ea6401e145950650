"""Attention to shared keys without copying them: computed in parts, merged by log-sum-exp.

A transformers model calls ``shared_attention`` (registered as ``NAME``) in every layer; the *view*
of the current run defines what its tokens attend to. All queries attend together to keys that their
prompts share, and these keys are not expanded, as in Hydragen (Juravsky et al., arXiv:2402.05099);
the parts are merged exactly, as in FlashAttention (Dao et al., arXiv:2205.14135).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch

from pytest_llmeval.models.hf.prefill import THIS_BATCH, KVSpan, PrefillBatch, Segment
from pytest_llmeval.models.hf.tensors import tensor_on

#: the name of ``shared_attention`` in transformers' registry
NAME = "llmeval_shared"
# a segment shorter than this part of the longest in its group would be mostly padding
_MIN_FILL = 0.6

#: keys and values of one layer: [heads, tokens, width] each
KeyValue: TypeAlias = tuple[torch.Tensor, torch.Tensor]
#: cached keys and values by cache entry and layer (the layer's attention module)
CachedKV: TypeAlias = dict[int, dict[torch.nn.Module, KeyValue]]


@dataclass(frozen=True, slots=True)
class AttentionParams:
    """How a layer attends: ``window`` is its sliding window in tokens, ``cap`` Gemma 2's softcap."""

    scale: float
    cap: float | None = None
    window: int | None = None


class View(Protocol):
    """Defines what the tokens of one run attend to."""

    def attend(
        self,
        layer: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        params: AttentionParams,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention of ``query``; all tensors are [heads, tokens, width].

        Returns outputs of the same shape and log-sum-exps [heads, tokens].
        """


_view: ContextVar[View] = ContextVar("view")


@contextlib.contextmanager
def use_view(view: View) -> Iterator[None]:
    """Make the model attend through ``view``."""
    token = _view.set(view)
    try:
        yield
    finally:
        _view.reset(token)


def register() -> None:
    """Register ``shared_attention`` with transformers."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, shared_attention)


def shared_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    sliding_window: int | None = None,
    s_aux: torch.Tensor | None = None,
    position_bias: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Replaces a model's attention: tensors are [1, heads, tokens, width], with all tokens packed.

    ``s_aux`` holds attention sinks (gpt-oss): one logit per head, without a value. Raises ValueError
    if the model passes a mask or a position bias, because prefixes then cannot be shared.
    """
    if attention_mask is not None or position_bias is not None:
        raise ValueError("it passes its own mask or bias")
    params = AttentionParams(scaling or query.shape[-1] ** -0.5, softcap, sliding_window)
    out, lse = _view.get().attend(module, query[0], key[0], value[0], params)
    if s_aux is not None:
        sink = s_aux.reshape(-1, 1).to(lse)
        out = out * torch.sigmoid(lse - sink)[..., None].to(out)
    return out.transpose(0, 1)[None], None


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    params: AttentionParams,
    *,
    causal: bool = False,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention and its log-sum-exp.

    query [..., heads, m, width] and key [..., heads, n, width] give [..., heads, m, width] and
    [..., heads, m]; ``mask`` [..., m, n] is True where a query sees a key. A query that sees no key
    gets zeros and minus infinity.
    """
    has_kernel = query.shape[-1] == value.shape[-1] <= 256 and params.cap is None and query.dim() == 4
    if has_kernel and query.device.type == "cpu":
        bias = None
        if mask is not None:
            bias = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, -torch.inf)
        if mask is None or bool(mask.any(-1).all()):
            out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                query, key, value, 0.0, causal, attn_mask=bias, scale=params.scale
            )
            return out, lse
    if has_kernel and query.device.type == "cuda" and mask is None and query.dtype != torch.float32:
        out, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(
            query, key, value, 0.0, causal, False, scale=params.scale
        )
        return out, lse
    return _attend_eager(query, key, value, params, causal, mask)


def _attend_eager(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    params: AttentionParams,
    causal: bool,
    mask: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    scores = (query @ key.transpose(-1, -2)).float() * params.scale
    if params.cap is not None:
        scores = torch.tanh(scores / params.cap) * params.cap
    if causal:
        past = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        mask = past if mask is None else mask & past
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    lse = scores.logsumexp(-1)
    # only a query that sees no key gets zeros: NaN of an overflow must reach the logits
    weights = (scores - lse[..., None]).exp().masked_fill(lse[..., None] == -torch.inf, 0.0)
    return weights.to(value.dtype) @ value, lse


def merge(
    out: torch.Tensor, lse: torch.Tensor, other: torch.Tensor, other_lse: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge attention to two disjoint sets of keys: outputs [..., width], log-sum-exps [...]."""
    weight = torch.sigmoid(other_lse - lse).masked_fill(other_lse == -torch.inf, 0.0)
    return torch.lerp(out, other, weight[..., None].to(out.dtype)), torch.logaddexp(lse, other_lse)


def attend_grouped(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    params: AttentionParams,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of all queries [heads, m, width] to all keys [key heads, n, width]; ``mask`` is [m, n].

    Query heads that share a key head (grouped-query attention) become more queries of one head, so
    that no key is copied.
    """
    heads, m, width = query.shape
    grouped = query.reshape(1, key.shape[0], -1, width)
    if mask is not None:
        mask = mask.repeat(heads // key.shape[0], 1)
    out, lse = attend(grouped, key[None], value[None], params, mask=mask)
    return out.reshape(heads, m, -1), lse.reshape(heads, m)


def _repeat_kv(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Keys or values [batch, key heads, tokens, width], repeated for the query heads that share them."""
    times = heads // tensor.shape[1]
    return tensor if times == 1 else tensor.repeat_interleave(times, 1)


@dataclass(frozen=True, slots=True)
class _Group:
    """Segments of similar length that attend to themselves in one call.

    A single segment is the slice ``run`` of the packed tokens. Several are padded: ``padded``
    [segments, longest] are the indices of their tokens, ``real`` the entries of the flattened
    ``padded`` that are not padding, and ``indices`` the packed indices of those.
    """

    run: slice | None
    padded: torch.Tensor | None = None
    real: torch.Tensor | None = None
    indices: torch.Tensor | None = None

    def gather(self, tensor: torch.Tensor) -> torch.Tensor:
        """The group's part of ``tensor`` [heads, tokens, width]: [segments, heads, longest, width]."""
        if self.run is not None:
            return tensor[:, self.run][None]
        return tensor[:, self.padded].transpose(0, 1)


@dataclass(slots=True)
class PrefillView:
    """The attention of a prefill's tokens: to earlier tokens of their segment, and to the segment's reads.

    Keys and values of segments with ``cache_as`` are copied to ``cached``; those of all tokens are
    passed to ``on_kv``, if it is set. ``positions`` [tokens] are the tokens' positions in their prompts.
    """

    batch: PrefillBatch
    cached: CachedKV
    positions: torch.Tensor
    on_kv: Callable[[torch.nn.Module, torch.Tensor, torch.Tensor], None] | None = None
    _groups: list[_Group] = field(init=False)
    _to_cache: list[Segment] = field(init=False)
    _masks: dict[tuple[int, int, int, KVSpan], torch.Tensor | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._groups = _groups(self.batch, self.positions.device)
        self._to_cache = [segment for segment in self.batch.segments if segment.cache_as is not None]

    def attend(
        self,
        layer: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        params: AttentionParams,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``View``."""
        for segment in self._to_cache:
            assert segment.cache_as is not None
            tokens = slice(segment.first, segment.last)
            self.cached.setdefault(segment.cache_as, {})[layer] = (
                key[:, tokens].clone(),
                value[:, tokens].clone(),
            )
        if self.on_kv is not None:
            self.on_kv(layer, key, value)
        out = query.new_empty((*query.shape[:2], value.shape[-1]))
        lse = torch.empty(query.shape[:2], dtype=torch.float32, device=query.device)
        for group in self._groups:
            _self_attend(group, query, key, value, params, out, lse)
        for read in self.batch.reads:
            tokens = slice(read.first, read.last)
            span_key, span_value = self._keys(read.span, layer, key, value)
            mask = self._window_mask(tokens, read.span, params)
            other, other_lse = attend_grouped(query[:, tokens], span_key, span_value, params, mask)
            out[:, tokens], lse[:, tokens] = merge(out[:, tokens], lse[:, tokens], other, other_lse)
        return out, lse

    def _keys(self, span: KVSpan, layer: torch.nn.Module, key: torch.Tensor, value: torch.Tensor) -> KeyValue:
        """Keys and values of ``span``; ``key`` and ``value`` are those of this batch."""
        if span.entry != THIS_BATCH:
            key, value = self.cached[span.entry][layer]
        return key[:, span.first : span.last], value[:, span.first : span.last]

    def _window_mask(self, tokens: slice, span: KVSpan, params: AttentionParams) -> torch.Tensor | None:
        """A mask of the keys of ``span`` in the layer's window: [tokens, keys]; None if all are."""
        if params.window is None:
            return None
        mask_key = params.window, tokens.start, tokens.stop, span
        if mask_key not in self._masks:
            self._masks[mask_key] = self._make_window_mask(tokens, span, params.window)
        return self._masks[mask_key]

    def _make_window_mask(self, tokens: slice, span: KVSpan, window: int) -> torch.Tensor | None:
        last = max(
            segment.start + len(segment.tokens) - 1
            for segment in self.batch.segments
            if segment.first < tokens.stop and segment.last > tokens.start
        )
        if span.start > last - window:
            return None
        positions = self.positions[tokens]
        keys = torch.arange(span.start, span.start + len(span), device=positions.device)
        return keys > (positions - window)[:, None]


def _self_attend(
    group: _Group,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    params: AttentionParams,
    out: torch.Tensor,
    lse: torch.Tensor,
) -> None:
    """Causal attention of a group's segments to themselves, written to ``out`` and ``lse``."""
    heads = query.shape[0]
    queries, keys, values = (group.gather(tensor) for tensor in (query, key, value))
    keys, values = _repeat_kv(keys, heads), _repeat_kv(values, heads)
    longest, mask = queries.shape[2], None
    if params.window is not None and longest > params.window:
        mask = torch.ones((longest, longest), dtype=torch.bool, device=query.device)
        mask = mask.tril().triu(1 - params.window)
    part, part_lse = attend(queries, keys, values, params, causal=mask is None, mask=mask)
    if group.run is not None:
        out[:, group.run], lse[:, group.run] = part[0], part_lse[0]
        return
    part = part.transpose(0, 1).reshape(heads, -1, part.shape[-1])
    out[:, group.indices] = part[:, group.real]
    lse[:, group.indices] = part_lse.transpose(0, 1).reshape(heads, -1)[:, group.real].float()


def _groups(batch: PrefillBatch, device: torch.device) -> list[_Group]:
    """The segments of a batch, grouped by similar length."""
    groups: list[list[tuple[int, int]]] = []
    for size, first in sorted((len(segment.tokens), segment.first) for segment in batch.segments)[::-1]:
        if groups and size >= _MIN_FILL * groups[-1][0][0]:
            groups[-1].append((size, first))
        else:
            groups.append([(size, first)])
    return [_group(segments, device) for segments in groups]


def _group(segments: Sequence[tuple[int, int]], device: torch.device) -> _Group:
    """A group of segments, each given by its size and first index, the longest first."""
    longest = segments[0][0]
    if len(segments) == 1:
        return _Group(slice(segments[0][1], segments[0][1] + longest))
    # pad with the last token: attention is causal, so the real tokens do not see the padding
    padded = [[first + min(offset, size - 1) for offset in range(longest)] for size, first in segments]
    real = [row * longest + offset for row, (size, _) in enumerate(segments) for offset in range(size)]
    indices = [first + offset for size, first in segments for offset in range(size)]
    return _Group(None, *(tensor_on(device, table) for table in (padded, real, indices)))

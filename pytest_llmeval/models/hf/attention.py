"""Attention to shared keys without copying them: each part by itself, merged by log-sum-exp.

A model of transformers calls ``shared_attention`` (registered under ``NAME``) in every layer; what
its tokens attend to is told by the *view* of the current pass. Keys that many prompts share are
attended to once, unexpanded, by all queries together, as in Hydragen (Juravsky et al.,
arXiv:2402.05099); the parts are merged exactly, as in FlashAttention (Dao et al., arXiv:2205.14135).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch

from pytest_llmeval.models.hf.copies import tensor_on
from pytest_llmeval.models.hf.passes import THIS_PASS, Pass, Piece, Segment

#: the name under which transformers knows ``shared_attention``
NAME = "llmeval_shared"
# shorter segments beside a longest one are mostly padding
_LEAST_FILL = 0.6

#: keys and values of one layer: [heads, tokens, width] each
KeyValue: TypeAlias = tuple[torch.Tensor, torch.Tensor]
#: layers' keys and values by what was kept: the module stands for the layer
Kept: TypeAlias = dict[int, dict[torch.nn.Module, KeyValue]]


@dataclass(frozen=True, slots=True)
class Style:
    """How a layer attends: ``window`` is the most positions back, ``cap`` Gemma 2's soft limit."""

    scale: float
    cap: float | None = None
    window: int | None = None


class View(Protocol):
    """What the tokens of one pass attend to."""

    def attend(
        self,
        layer: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        style: Style,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Queries [heads, tokens, width] to outputs of that shape and log-sum-exps [heads, tokens]."""


_view: ContextVar[View] = ContextVar("view")


@contextlib.contextmanager
def viewing(view: View) -> Iterator[None]:
    """Let the model attend through ``view``."""
    token = _view.set(view)
    try:
        yield
    finally:
        _view.reset(token)


def register() -> None:
    """Make ``shared_attention`` known to transformers."""
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
    """In place of a model's own attention: tensors are [1, heads, tokens, width], all tokens packed.

    ``s_aux`` are attention sinks (gpt-oss): a logit a head without a value. Raises ValueError for
    what cannot be shared: a mask or a bias of the model's own.
    """
    if attention_mask is not None or position_bias is not None:
        raise ValueError("a mask or bias of its own")
    style = Style(scaling or query.shape[-1] ** -0.5, softcap, sliding_window)
    out, lse = _view.get().attend(module, query[0], key[0], value[0], style)
    if s_aux is not None:
        sink = s_aux.reshape(-1, 1).to(lse)
        out = out * torch.sigmoid(lse - sink)[..., None].to(out)
    return out.transpose(0, 1)[None], None


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    style: Style,
    *,
    causal: bool = False,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention and its log-sum-exp.

    query [..., heads, m, width] and key [..., heads, n, width] give [..., heads, m, width] and
    [..., heads, m]; ``mask`` [..., m, n] is True where a query sees a key. A query that sees none
    gets zeros and minus infinity.
    """
    fits = query.shape[-1] == value.shape[-1] <= 256 and style.cap is None and query.dim() == 4
    if fits and query.device.type == "cpu":
        bias = None
        if mask is not None:
            bias = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, -torch.inf)
        if mask is None or bool(mask.any(-1).all()):
            out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                query, key, value, 0.0, causal, attn_mask=bias, scale=style.scale
            )
            return out, lse
    if fits and query.device.type == "cuda" and mask is None and query.dtype != torch.float32:
        found = torch.ops.aten._scaled_dot_product_flash_attention(
            query, key, value, 0.0, causal, False, scale=style.scale
        )
        return found[0], found[1]
    return _plainly(query, key, value, style, causal, mask)


def _plainly(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    style: Style,
    causal: bool,
    mask: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    scores = (query @ key.transpose(-1, -2)).float() * style.scale
    if style.cap is not None:
        scores = torch.tanh(scores / style.cap) * style.cap
    if causal:
        places = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        mask = places if mask is None else mask & places
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    lse = scores.logsumexp(-1)
    weights = (scores - lse[..., None]).exp().nan_to_num(0.0)
    return weights.to(value.dtype) @ value, lse


def merge(
    out: torch.Tensor, lse: torch.Tensor, more: torch.Tensor, more_lse: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention to two sets of keys as attention to both: outputs [..., width], log-sum-exps [...]."""
    share = torch.sigmoid(more_lse - lse).nan_to_num(0.0)
    return torch.lerp(out, more, share[..., None].to(out.dtype)), torch.logaddexp(lse, more_lse)


def folded(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    style: Style,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """All queries [heads, m, width] to all keys [key heads, n, width]; ``mask`` is [m, n].

    The heads that share keys stand as more queries of one head, so that no key is copied.
    """
    heads, m, width = query.shape
    grouped = query.reshape(1, key.shape[0], -1, width)
    if mask is not None:
        mask = mask.repeat(heads // key.shape[0], 1)
    out, lse = attend(grouped, key[None], value[None], style, mask=mask)
    return out.reshape(heads, m, -1), lse.reshape(heads, m)


def _expanded(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Key heads [..., key heads, tokens, width] repeated for the query heads that share them."""
    times = heads // tensor.shape[1]
    return tensor if times == 1 else tensor.repeat_interleave(times, 1)


@dataclass(frozen=True, slots=True)
class _Group:
    """Segments of like length that attend to themselves together.

    ``padded`` are their tokens' places [segments, longest]; ``real`` is where in that, flat, the
    tokens stand that belong to ``places``. A single segment is a ``run`` of places.
    """

    run: slice | None
    padded: torch.Tensor | None = None
    real: torch.Tensor | None = None
    places: torch.Tensor | None = None

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """Its part of [heads, tokens, width]: [segments, heads, longest, width]."""
        if self.run is not None:
            return tensor[:, self.run][None]
        return tensor[:, self.padded].transpose(0, 1)


@dataclass(slots=True)
class PassView:
    """What the tokens of a packed pass attend to: their own segment up to themselves, and what it reads.

    Keys and values to be kept go into ``kept``; those of all tokens go to ``hand``, where given.
    """

    planned: Pass
    kept: Kept
    positions: torch.Tensor
    hand: Callable[[torch.nn.Module, torch.Tensor, torch.Tensor], None] | None = None
    _groups: list[_Group] = field(init=False)
    _keeping: list[Segment] = field(init=False)
    _masks: dict[tuple[Any, ...], torch.Tensor | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._groups = _groups(self.planned, self.positions.device)
        self._keeping = [segment for segment in self.planned.segments if segment.keep is not None]

    def attend(
        self,
        layer: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        style: Style,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``View``."""
        for segment in self._keeping:
            assert segment.keep is not None
            places = slice(segment.first, segment.last)
            tables = key[:, places].clone(), value[:, places].clone()
            self.kept.setdefault(segment.keep, {})[layer] = tables
        if self.hand is not None:
            self.hand(layer, key, value)
        out = query.new_empty((*query.shape[:2], value.shape[-1]))
        lse = torch.empty(query.shape[:2], dtype=torch.float32, device=query.device)
        for group in self._groups:
            self._own(group, query, key, value, style, out, lse)
        for read in self.planned.reads:
            places = slice(read.first, read.last)
            piece_key, piece_value = self._piece(read.piece, layer, key, value)
            mask = self._window(places, read.piece, style)
            more, more_lse = folded(query[:, places], piece_key, piece_value, style, mask)
            out[:, places], lse[:, places] = merge(out[:, places], lse[:, places], more, more_lse)
        return out, lse

    def _piece(
        self, piece: Piece, layer: torch.nn.Module, key: torch.Tensor, value: torch.Tensor
    ) -> KeyValue:
        if piece.kept != THIS_PASS:
            key, value = self.kept[piece.kept][layer]
        return key[:, piece.first : piece.last], value[:, piece.first : piece.last]

    def _window(self, places: slice, piece: Piece, style: Style) -> torch.Tensor | None:
        """Which of a piece's keys are within the layer's window; None where all are."""
        if style.window is None:
            return None
        known = style.window, places.start, places.stop, piece
        if known not in self._masks:
            self._masks[known] = self._near(places, piece, style.window)
        return self._masks[known]

    def _near(self, places: slice, piece: Piece, window: int) -> torch.Tensor | None:
        last = max(
            segment.start + len(segment.tokens) - 1
            for segment in self.planned.segments
            if segment.first < places.stop and segment.last > places.start
        )
        if piece.start > last - window:
            return None
        positions = self.positions[places]
        keys = torch.arange(piece.start, piece.start + len(piece), device=positions.device)
        return keys > (positions - window)[:, None]

    def _own(
        self,
        group: _Group,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        style: Style,
        out: torch.Tensor,
        lse: torch.Tensor,
    ) -> None:
        heads = query.shape[0]
        asks, keys, values = (group.of(tensor) for tensor in (query, key, value))
        keys, values = _expanded(keys, heads), _expanded(values, heads)
        long, mask = asks.shape[2], None
        if style.window is not None and long > style.window:
            mask = torch.ones((long, long), dtype=torch.bool, device=query.device)
            mask = mask.tril().triu(1 - style.window)
        found, found_lse = attend(asks, keys, values, style, causal=mask is None, mask=mask)
        if group.run is not None:
            out[:, group.run], lse[:, group.run] = found[0], found_lse[0]
            return
        found = found.transpose(0, 1).reshape(heads, -1, found.shape[-1])
        out[:, group.places] = found[:, group.real]
        lse[:, group.places] = found_lse.transpose(0, 1).reshape(heads, -1)[:, group.real].float()


def _groups(planned: Pass, device: torch.device) -> list[_Group]:
    """The segments of a pass, those of like length together."""
    groups: list[list[tuple[int, int]]] = []
    for size, first in sorted((len(one.tokens), one.first) for one in planned.segments)[::-1]:
        if groups and size >= _LEAST_FILL * groups[-1][0][0]:
            groups[-1].append((size, first))
        else:
            groups.append([(size, first)])
    return [_group(rows, device) for rows in groups]


def _group(rows: Sequence[tuple[int, int]], device: torch.device) -> _Group:
    longest = rows[0][0]
    if len(rows) == 1:
        return _Group(slice(rows[0][1], rows[0][1] + longest))
    # behind its end a segment is padded with its last token: nobody before it looks there
    padded = [[first + min(at, size - 1) for at in range(longest)] for size, first in rows]
    real = [number * longest + at for number, (size, _) in enumerate(rows) for at in range(size)]
    places = [first + at for size, first in rows for at in range(size)]
    return _Group(None, *(tensor_on(device, table) for table in (padded, real, places)))

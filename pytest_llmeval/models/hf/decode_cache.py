"""The keys and values of texts that are decoded in parallel, and the attention of their new tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from pytest_llmeval.models.hf.attention import (
    AttentionParams,
    CachedKV,
    KeyValue,
    attend,
    attend_grouped,
    merge,
)
from pytest_llmeval.models.hf.prefill import KVSpan, Placement
from pytest_llmeval.models.hf.tensors import tensor_on

_WIDTH_STEP = 64


@dataclass(slots=True)
class DecodeCache:
    """Unshared keys and values of each row, in one table per layer.

    ``lengths`` are the tokens cached for each row. The first ``len(lengths)`` rows of a table are in
    use: when a row ends, the last one moves to its place.
    """

    lengths: list[int] = field(default_factory=list)
    _rows: int = 0
    _width: int = 0
    _tables: dict[torch.nn.Module, KeyValue] = field(default_factory=dict)

    def add_rows(self, placements: Sequence[Placement], device: torch.device) -> RowWriter:
        """Add a row for each item; the returned writer copies the unshared keys and values to the rows."""
        first = len(self.lengths)
        rows = [first + n for n, placement in enumerate(placements) for _ in range(placement.computed)]
        columns = [column for placement in placements for column in range(placement.computed)]
        indices = [index for placement in placements for index in range(*placement.unshared)]
        self._fit(first + len(placements), max(placement.computed for placement in placements) + 1)
        self.lengths += [placement.computed for placement in placements]
        return RowWriter(self, *(tensor_on(device, table) for table in (rows, columns, indices)))

    def table(self, layer: torch.nn.Module, key: torch.Tensor, value: torch.Tensor) -> KeyValue:
        """Keys and values of ``layer``, each [rows, heads, tokens, width].

        A missing table is created with the heads, width and dtype of ``key`` and ``value``.
        """
        if layer not in self._tables:
            shape = self._rows, key.shape[0], self._width
            self._tables[layer] = (
                key.new_zeros((*shape, key.shape[-1])),
                value.new_zeros((*shape, value.shape[-1])),
            )
        return self._tables[layer]

    def grow(self) -> None:
        """Make space for one more token in every row."""
        self._fit(len(self.lengths), max(self.lengths) + 1)
        self.lengths = [length + 1 for length in self.lengths]

    def erase(self, row: int) -> None:
        """Zero a row that may have NaN: masked columns have weight 0, but 0 times NaN is NaN."""
        for key, value in self._tables.values():
            key[row] = value[row] = 0

    def remove(self, row: int) -> None:
        """Remove a row; the last row moves to its place."""
        last = len(self.lengths) - 1
        if row != last:
            for key, value in self._tables.values():
                key[row], value[row] = key[last], value[last]
        self.lengths[row] = self.lengths[last]
        self.lengths.pop()

    def _fit(self, rows: int, width: int) -> None:
        if rows <= self._rows and width <= self._width:
            return
        self._rows = max(self._rows, rows)
        self._width = max(self._width, -(-width // _WIDTH_STEP) * _WIDTH_STEP)
        for layer, (key, value) in list(self._tables.items()):
            del self._tables[layer]  # so that only one layer at a time needs memory twice
            self._tables[layer] = self._enlarge(key), self._enlarge(value)

    def _enlarge(self, old: torch.Tensor) -> torch.Tensor:
        rows = len(self.lengths)
        new = old.new_zeros((self._rows, old.shape[1], self._width, old.shape[3]))
        new[:rows, :, : old.shape[2]] = old[:rows]
        return new


@dataclass(frozen=True, slots=True)
class RowWriter:
    """Copies keys and values of a prefill to a decode cache: tokens ``indices`` to ``rows``, ``columns``."""

    cache: DecodeCache
    rows: torch.Tensor
    columns: torch.Tensor
    indices: torch.Tensor

    def __call__(self, layer: torch.nn.Module, key: torch.Tensor, value: torch.Tensor) -> None:
        """Copy the keys and values of one layer, [heads, tokens, width]."""
        keys, values = self.cache.table(layer, key, value)
        keys[self.rows, :, self.columns] = key[:, self.indices].transpose(0, 1)
        values[self.rows, :, self.columns] = value[:, self.indices].transpose(0, 1)


@dataclass(slots=True)
class DecodeView:
    """The attention of one new token per row to the row's own tokens and to the cached prefix before them.

    ``starts`` are the positions of each row's first unshared token, ``prefixes`` the spans before it.
    """

    cache: DecodeCache
    cached: CachedKV
    starts: Sequence[int]
    prefixes: Sequence[tuple[KVSpan, ...]]
    device: torch.device
    _columns: torch.Tensor = field(init=False)
    _rows: torch.Tensor = field(init=False)
    _reads: list[tuple[KVSpan, torch.Tensor | None]] = field(init=False)
    _own_masks: dict[int | None, torch.Tensor] = field(default_factory=dict)
    _window_masks: dict[tuple[int, KVSpan], torch.Tensor | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.cache.lengths)
        self._columns = tensor_on(self.device, self.cache.lengths) - 1
        self._rows = torch.arange(count, device=self.device)
        readers: dict[KVSpan, list[int]] = {}
        for row, prefix in enumerate(self.prefixes):
            for span in prefix:
                readers.setdefault(span, []).append(row)
        self._reads = [
            (span, None if len(rows) == count else tensor_on(self.device, rows))
            for span, rows in readers.items()
        ]

    def attend(
        self,
        layer: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        params: AttentionParams,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``attention.View``; the tokens are the rows."""
        heads, rows, width = query.shape
        keys, values = self.cache.table(layer, key, value)
        keys[self._rows, :, self._columns] = key.transpose(0, 1)
        values[self._rows, :, self._columns] = value.transpose(0, 1)
        longest = max(self.cache.lengths)
        keys, values = keys[:rows, :, :longest], values[:rows, :, :longest]
        grouped = query.transpose(0, 1).reshape(rows, keys.shape[1], -1, width)
        mask = self._own_mask(params.window, longest)[:, None, None].expand(-1, 1, grouped.shape[2], -1)
        row_out, row_lse = attend(grouped, keys, values, params, mask=mask)
        out = row_out.reshape(rows, heads, -1).transpose(0, 1)
        lse = row_lse.reshape(rows, heads).transpose(0, 1).float()
        for span, readers in self._reads:
            span_key, span_value = (
                table[:, span.first : span.last] for table in self.cached[span.entry][layer]
            )
            readers_query = query if readers is None else query[:, readers]
            window_mask = self._window_mask(span, readers, params.window)
            other, other_lse = attend_grouped(readers_query, span_key, span_value, params, window_mask)
            if readers is None:
                out, lse = merge(out, lse, other, other_lse)
            else:
                out, lse = out.contiguous(), lse.contiguous()
                out[:, readers], lse[:, readers] = merge(out[:, readers], lse[:, readers], other, other_lse)
        return out, lse

    def _own_mask(self, window: int | None, longest: int) -> torch.Tensor:
        """A mask of each row's own tokens that the new token sees: [rows, longest]."""
        if window not in self._own_masks:
            columns = torch.arange(longest, device=self.device)
            mask = columns <= self._columns[:, None]
            if window is not None:
                mask &= columns > (self._columns - window)[:, None]
            self._own_masks[window] = mask
        return self._own_masks[window]

    def _window_mask(
        self, span: KVSpan, readers: torch.Tensor | None, window: int | None
    ) -> torch.Tensor | None:
        """A mask of the keys of ``span`` in the layer's window: [rows, keys]; None if all are."""
        if window is None:
            return None
        if (window, span) not in self._window_masks:
            self._window_masks[window, span] = self._make_window_mask(span, readers, window)
        return self._window_masks[window, span]

    def _make_window_mask(
        self, span: KVSpan, readers: torch.Tensor | None, window: int
    ) -> torch.Tensor | None:
        last = max(start + length - 1 for start, length in zip(self.starts, self.cache.lengths, strict=True))
        if span.start > last - window:
            return None
        positions = tensor_on(self.device, self.starts) + self._columns
        if readers is not None:
            positions = positions[readers]
        keys = torch.arange(span.start, span.start + len(span), device=self.device)
        return keys > (positions - window)[:, None]

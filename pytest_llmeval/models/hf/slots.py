"""Texts being written side by side: each row's own keys and values, and what they attend to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from pytest_llmeval.models.hf.attention import Kept, KeyValue, Style, attend, folded, merge
from pytest_llmeval.models.hf.copies import tensor_on
from pytest_llmeval.models.hf.passes import Piece, Placed

_STEP = 64


@dataclass(slots=True)
class Slots:
    """One slot a row and layer, the first ``len(rows)`` in use; a row that ends gives its slot to the last.

    ``lengths`` are the tokens that each row holds.
    """

    lengths: list[int] = field(default_factory=list)
    _size: int = 0
    _width: int = 0
    _tables: dict[torch.nn.Module, KeyValue] = field(default_factory=dict)

    def filler(self, placed: Sequence[Placed], device: torch.device) -> Filler:
        """Takes in what is ``own`` of each placed item, as new rows."""
        first = len(self.lengths)
        rows = [first + n for n, one in enumerate(placed) for _ in range(one.computed)]
        at = [place for one in placed for place in range(one.computed)]
        places = [place for one in placed for place in range(*one.own)]
        self._fit(first + len(placed), max(one.computed for one in placed) + 1)
        self.lengths += [one.computed for one in placed]
        return Filler(self, *(tensor_on(device, table) for table in (rows, at, places)))

    def table(self, layer: torch.nn.Module, key: torch.Tensor, value: torch.Tensor) -> KeyValue:
        """The slots of ``layer``: [slots, heads, width of slot, width] of keys and of values."""
        if layer not in self._tables:
            shape = self._size, key.shape[0], self._width
            self._tables[layer] = (
                key.new_zeros((*shape, key.shape[-1])),
                value.new_zeros((*shape, value.shape[-1])),
            )
        return self._tables[layer]

    def grow(self) -> None:
        """Every row gets one more token."""
        self._fit(len(self.lengths), max(self.lengths) + 1)
        self.lengths = [length + 1 for length in self.lengths]

    def remove(self, row: int) -> None:
        """A row has ended: the last one moves into its slot."""
        last = len(self.lengths) - 1
        if row != last:
            for key, value in self._tables.values():
                key[row], value[row] = key[last], value[last]
        self.lengths[row] = self.lengths[last]
        self.lengths.pop()

    def cut(self, rows: int) -> None:
        """Keep the first ``rows`` rows, and no more memory than they need."""
        del self.lengths[rows:]
        self._size = rows
        self._tables = {
            layer: (key[:rows].clone(), value[:rows].clone()) for layer, (key, value) in self._tables.items()
        }

    def _fit(self, size: int, width: int) -> None:
        if size <= self._size and width <= self._width:
            return
        rows = len(self.lengths)
        self._size = max(self._size, size)
        self._width = max(self._width, -(-width // _STEP) * _STEP)
        for layer, (key, value) in list(self._tables.items()):
            del self._tables[layer]  # one layer at a time is there twice
            self._tables[layer] = self._larger(key, rows), self._larger(value, rows)

    def _larger(self, old: torch.Tensor, rows: int) -> torch.Tensor:
        new = old.new_zeros((self._size, old.shape[1], self._width, old.shape[3]))
        new[:rows, :, : old.shape[2]] = old[:rows]
        return new


@dataclass(frozen=True, slots=True)
class Filler:
    """Copies keys and values of a pass into slots: token ``places`` go to ``rows`` at ``at``."""

    slots: Slots
    rows: torch.Tensor
    at: torch.Tensor
    places: torch.Tensor

    def __call__(self, layer: torch.nn.Module, key: torch.Tensor, value: torch.Tensor) -> None:
        """Of one layer: [heads, tokens, width]."""
        keys, values = self.slots.table(layer, key, value)
        keys[self.rows, :, self.at] = key[:, self.places].transpose(0, 1)
        values[self.rows, :, self.at] = value[:, self.places].transpose(0, 1)


@dataclass(slots=True)
class SlotView:
    """What one new token of each row attends to: the row's slot, and the pieces kept before it.

    ``starts`` are the positions of each row's first own token; ``histories`` the pieces before.
    """

    slots: Slots
    kept: Kept
    starts: Sequence[int]
    histories: Sequence[tuple[Piece, ...]]
    device: torch.device
    _at: torch.Tensor = field(init=False)
    _rows: torch.Tensor = field(init=False)
    _reads: list[tuple[Piece, torch.Tensor | None]] = field(init=False)
    _masks: dict[int | None, torch.Tensor] = field(default_factory=dict)
    _far: dict[tuple[int, Piece], torch.Tensor | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.slots.lengths)
        self._at = tensor_on(self.device, self.slots.lengths) - 1
        self._rows = torch.arange(count, device=self.device)
        readers: dict[Piece, list[int]] = {}
        for row, history in enumerate(self.histories):
            for piece in history:
                readers.setdefault(piece, []).append(row)
        self._reads = [
            (piece, None if len(rows) == count else tensor_on(self.device, rows))
            for piece, rows in readers.items()
        ]

    def attend(
        self,
        layer: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        style: Style,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``attention.View``: tokens are rows."""
        heads, rows, width = query.shape
        keys, values = self.slots.table(layer, key, value)
        keys[self._rows, :, self._at] = key.transpose(0, 1)
        values[self._rows, :, self._at] = value.transpose(0, 1)
        longest = max(self.slots.lengths)
        keys, values = keys[:rows, :, :longest], values[:rows, :, :longest]
        grouped = query.transpose(0, 1).reshape(rows, keys.shape[1], -1, width)
        mask = self._mask(style.window, longest)[:, None, None].expand(-1, 1, grouped.shape[2], -1)
        found, found_lse = attend(grouped, keys, values, style, mask=mask)
        out = found.reshape(rows, heads, -1).transpose(0, 1)
        lse = found_lse.reshape(rows, heads).transpose(0, 1).float()
        for piece, readers in self._reads:
            kept_key, kept_value = (
                table[:, piece.first : piece.last] for table in self.kept[piece.kept][layer]
            )
            asking = query if readers is None else query[:, readers]
            near = self._near(piece, readers, style.window)
            more, more_lse = folded(asking, kept_key, kept_value, style, near)
            if readers is None:
                out, lse = merge(out, lse, more, more_lse)
            else:
                out, lse = out.contiguous(), lse.contiguous()
                out[:, readers], lse[:, readers] = merge(out[:, readers], lse[:, readers], more, more_lse)
        return out, lse

    def _mask(self, window: int | None, longest: int) -> torch.Tensor:
        """Which own tokens each row sees: [rows, longest]."""
        if window not in self._masks:
            places = torch.arange(longest, device=self.device)
            seen = places <= self._at[:, None]
            if window is not None:
                seen &= places > (self._at - window)[:, None]
            self._masks[window] = seen
        return self._masks[window]

    def _near(self, piece: Piece, readers: torch.Tensor | None, window: int | None) -> torch.Tensor | None:
        """Which keys of a piece are within the layer's window; None where all are."""
        if window is None:
            return None
        if (window, piece) not in self._far:
            self._far[window, piece] = self._near_mask(piece, readers, window)
        return self._far[window, piece]

    def _near_mask(self, piece: Piece, readers: torch.Tensor | None, window: int) -> torch.Tensor | None:
        last = max(start + length - 1 for start, length in zip(self.starts, self.slots.lengths, strict=True))
        if piece.start > last - window:
            return None
        positions = tensor_on(self.device, self.starts) + self._at
        if readers is not None:
            positions = positions[readers]
        keys = torch.arange(piece.start, piece.start + len(piece), device=self.device)
        return keys > (positions - window)[:, None]

"""Tests which rows can be in one batch, rather than looking it up in a list of architectures.

Recurrent models may take padding for text, and some caches do not give what a whole pass gives. A few short
rows run in a batch, exactly as the plain engine runs them, and each of them alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch

from pytest_llmeval.models.hf.batching import Mix
from pytest_llmeval.models.hf.plain_forward import PlainForward, plain_settings
from pytest_llmeval.models.hf.prefill import Tokens
from pytest_llmeval.models.hf.probe import EXACT, differs_by, draw_tokens, tolerance

# lengths in tokens: two are equal, and the third is about as much shorter as rows of one batch may be
_LENGTHS = (31, 24, 31)
# the rows of each mix
_ROWS = {Mix.SIMILAR: (0, 1, 2), Mix.EQUAL: (0, 2), Mix.SINGLE: (1,)}
_STEPS = 3


@dataclass(frozen=True, slots=True)
class BatchRules:
    """How the rows of scored and of generated requests may be batched.

    ``cached`` is whether generation may use the model's cache; without it every token is a whole pass.
    """

    scores: Mix = Mix.SIMILAR
    texts: Mix = Mix.SIMILAR
    cached: bool = True

    @property
    def note(self) -> str:
        """What is slower than usual and why; empty if nothing is."""
        notes = [
            f"{what} in batches of {mix.value}, because others change the results"
            for what, mix in (("choices", self.scores), ("texts", self.texts))
            if mix is not Mix.SIMILAR
        ]
        if not self.cached:
            notes.append("texts without its cache, which changes the results")
        return "; ".join(notes)


def probe_batches(forward: PlainForward) -> BatchRules:
    """The fastest rules under which a batch gives the logits of its rows alone."""
    rows = [tuple(row) for row in draw_tokens(forward.model, _LENGTHS)]
    # a model that sees padding also sees which token it is: a comparison without rounding
    other_pad = PlainForward(forward.model, forward.device, rows[0][0])

    def agree(logits: _Logits, mix: Mix) -> bool:
        forwards = [forward, other_pad] if mix is Mix.SIMILAR else [forward]
        try:
            return _agree(forwards, [rows[number] for number in _ROWS[mix]], logits)
        except Exception:  # the model does not take such a batch
            return False

    scores = next((mix for mix in Mix if agree(_scored_logits, mix)), Mix.SINGLE)
    for cached, mix in itertools.product((True, False), Mix):
        if agree(partial(_generated_logits, cached=cached), mix):
            return BatchRules(scores, mix, cached)
    return BatchRules(scores, Mix.SINGLE, cached=False)


#: the logits of a batch at the last positions of each row, and the rows that should give them alone
_Logits: TypeAlias = Callable[[PlainForward, Sequence[Tokens]], tuple[list[torch.Tensor], Sequence[Tokens]]]


def _agree(forwards: Sequence[PlainForward], rows: Sequence[Tokens], logits: _Logits) -> bool:
    """Whether a batch of ``rows`` gives the logits of each row alone, whatever it is padded with."""
    batches = []
    for forward in forwards:
        batch, whole_rows = logits(forward, rows)
        for row, ours in zip(whole_rows, batch, strict=True):
            alone = forward.last_logits([row], _STEPS)[0]
            if not differs_by(ours, alone) <= tolerance(forward.model, alone):
                return False
        batches.append(batch)
    return all(
        differs_by(ours, other) <= EXACT * float(ours.abs().max())
        for other_batch in batches[1:]
        for ours, other in zip(batches[0], other_batch, strict=True)
    )


def _scored_logits(
    forward: PlainForward, rows: Sequence[Tokens]
) -> tuple[list[torch.Tensor], Sequence[Tokens]]:
    return forward.last_logits(rows, _STEPS), rows


def _generated_logits(
    forward: PlainForward, rows: Sequence[Tokens], *, cached: bool
) -> tuple[list[torch.Tensor], Sequence[Tokens]]:
    settings = plain_settings(
        forward.pad,
        max_new_tokens=_STEPS,
        use_cache=cached,
        output_logits=True,
        return_dict_in_generate=True,
    )
    out = forward.generate(rows, settings)
    logits = torch.stack(out.logits, 1).float()
    written = out.sequences[:, -_STEPS:-1].tolist()
    return list(logits), [(*row, *tokens) for row, tokens in zip(rows, written, strict=True)]

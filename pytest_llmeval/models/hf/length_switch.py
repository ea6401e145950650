"""Finds the length from which on a model computes all positions of a pass in another way.

LongRoPE (Phi-3 and others) has two sets of frequencies: which one a pass takes depends on its longest
prompt, for all prompts and positions in it.
"""

from __future__ import annotations

import copy
from bisect import bisect
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.hf.probe import draw_tokens
from pytest_llmeval.models.hf.tensors import tensor_on

# tokens of the pass that is observed; a number that is no usual width of a tensor
_TOKENS = 11


@torch.inference_mode()
def find_length_switch(model: Any, device: torch.device, longest: int | None) -> int | None:
    """The longest pass before the switch, in tokens; None without one in passes of up to ``longest`` tokens.

    Raises ``ModelUnusable`` for a model that has more than one.
    """
    if longest is None or longest <= _TOKENS:
        return None
    before: set[int] = set()
    for call in _position_calls(model, device):
        if call.agrees(_TOKENS, longest):
            continue
        first = bisect(range(longest), False, lo=_TOKENS, key=partial(_differs, call))
        before.add(first - 1)
        if len(before) > 1 or not call.agrees(first, longest):
            length = min(before)
            raise ModelUnusable(
                f"{type(model).__name__} scales its positions by the longest prompt of a batch above {length}"
                f" tokens, so that answers would depend on each other; use --llm-context={length}"
            )
    return min(before, default=None)


def _differs(call: _PositionCall, length: int) -> bool:
    return not call.agrees(_TOKENS, length)


@dataclass(frozen=True, slots=True)
class _PositionCall:
    """A call of a module that computes from positions alone, such as rotary frequencies."""

    module: torch.nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def agrees(self, length: int, other: int) -> bool:
        """Whether passes of both lengths compute the first tokens in the same way."""
        return all(map(torch.equal, self._first_outputs(length), self._first_outputs(other)))

    def _first_outputs(self, length: int) -> list[torch.Tensor]:
        """The outputs for all tokens but the last, which is at the last position of a pass of ``length``."""

        def moved(value: Any) -> Any:
            if not _are_positions(value):
                return value
            value = value.clone()
            value[..., -1] = length - 1
            return value

        keywords = {name: moved(value) for name, value in self.kwargs.items()}
        out = self.module(*map(moved, self.args), **keywords)
        return [
            tensor.narrow(tensor.shape.index(_TOKENS), 0, _TOKENS - 1).clone()
            for tensor in (out if isinstance(out, (tuple, list)) else [out])
            if isinstance(tensor, torch.Tensor) and _TOKENS in tensor.shape
        ]


def _are_positions(value: object) -> bool:
    """Whether ``value`` is a tensor of the positions 0, 1, 2 ... of the observed pass."""
    if not isinstance(value, torch.Tensor) or value.shape[-1:] != (_TOKENS,) or value.is_floating_point():
        return False
    return bool((value == torch.arange(_TOKENS, device=value.device)).all())


def _position_calls(model: Any, device: torch.device) -> list[_PositionCall]:
    """The calls of one short pass, with copies of the modules: they may keep a state."""
    calls: list[_PositionCall] = []

    def record(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if any(map(_are_positions, (*args, *kwargs.values()))):
            calls.append(_PositionCall(module, args, kwargs))

    hooks = [
        module.register_forward_pre_hook(record, with_kwargs=True)
        for module in model.modules()
        if not any(True for _ in module.children()) and not any(True for _ in module.parameters())
    ]
    try:
        model(input_ids=tensor_on(device, draw_tokens(model, [_TOKENS])), use_cache=False)
    except Exception:  # the answers will say what is wrong
        return []
    finally:
        for hook in hooks:
            hook.remove()
    return [_PositionCall(copy.deepcopy(call.module), call.args, call.kwargs) for call in calls]

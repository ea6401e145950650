"""Convert a task's ``generation_kwargs`` to the parameters of a ``Request``.

Follows ``normalize_gen_kwargs`` in the library's ``models/utils.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# in the library's order of precedence
_LIMITS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_DEFAULT_LIMIT = 256
_READ = {*_LIMITS, "until", "do_sample", "temperature"}
#: parameters that only affect sampling, and have no effect on greedy decoding
_SAMPLING = {"top_p", "top_k", "min_p", "typical_p", "seed"}
#: values at which a parameter has no effect
_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "num_beams": (1,),
    "repetition_penalty": (1,),
    "no_repeat_ngram_size": (0,),
    "length_penalty": (1,),
    "num_return_sequences": (1,),
    "use_cache": (True,),
    "top_p": (1,),
    "top_k": (0, -1),
}


@dataclass(frozen=True, slots=True)
class Generation:
    """A generated text's token limit, temperature (0 for greedy decoding) and stop sequences."""

    max_tokens: int
    temperature: float
    stop: tuple[str, ...]


def generation(kwargs: Mapping[str, object]) -> Generation:
    """Parse the kwargs. Raises ValueError for invalid values."""
    until = kwargs.get("until") or []
    stops = [until] if isinstance(until, str) else until
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise ValueError(f"until: {until!r} is not a list of strings")
    limits = [kwargs[name] for name in _LIMITS if kwargs.get(name) is not None]
    max_tokens = int(str(limits[0])) if limits else _DEFAULT_LIMIT
    temperature = float(str(kwargs.get("temperature") or 0.0))
    if kwargs.get("do_sample") is False:
        temperature = 0.0
    return Generation(max_tokens, temperature, tuple(stop for stop in stops if stop))


def problem(kwargs: Mapping[str, object]) -> str | None:
    """The reason why the kwargs are not supported, or None."""
    try:
        parameters = generation(kwargs)
    except ValueError as error:
        return f"generation_kwargs: {error}"
    if parameters.max_tokens < 1 or parameters.temperature < 0:
        return "generation_kwargs: the token limit must be positive, and the temperature not negative"
    ignored = _READ if parameters.temperature else _READ | _SAMPLING
    unsupported = [
        f"{name}={value}"
        for name, value in kwargs.items()
        if name not in ignored and value is not None and value not in _NEUTRAL.get(name, ())
    ]
    return f"generation_kwargs: unsupported: {', '.join(unsupported)}" if unsupported else None

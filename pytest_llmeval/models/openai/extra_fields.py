"""Request fields that the user adds or leaves out, and which setting to remove when a server rejects one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_llmeval.config.models import ModelConfig

_REJECTED = re.compile(
    r"un(known|recogni[sz]ed|supported|expected)|not (supported|permitted|allowed|recogni[sz]ed)|extra|"
    r"invalid|does not support|not a valid|parameter|argument|field",
    re.IGNORECASE,
)
_SETTINGS = {"top_p": "top_p (--llm-top-p)", "seed": "sampling_seed (--llm-sampling-seed)"}


@dataclass(frozen=True, slots=True)
class ExtraFields:
    """Fields added to request bodies: ``sampling`` when text is generated, ``extra_body`` always.

    Fields ``left_out`` are never sent, unless they are in ``extra_body``.
    """

    sampling: Mapping[str, object] = field(default_factory=dict)
    extra_body: Mapping[str, object] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    @classmethod
    def from_config(cls, config: ModelConfig) -> ExtraFields:
        """Create the extra fields from a model's settings."""
        sampling = {"top_p": config.top_p, "seed": config.sampling_seed}
        return cls(
            {name: value for name, value in sampling.items() if value is not None},
            config.extra_body,
            frozenset(["temperature"] if config.temperature == "none" else []),
        )

    def add_to(self, body: Mapping[str, Any], *, scoring: bool, repeat: int = 0) -> dict[str, Any]:
        """A copy of ``body`` with these fields, which take precedence. Each repeat gets its own seed."""
        sampling = {} if scoring else dict(self.sampling)
        if repeat and isinstance(seed := sampling.get("seed"), int):
            sampling["seed"] = seed + repeat
        kept = {name: value for name, value in body.items() if name not in self.left_out}
        return {**kept, **sampling, **self.extra_body}

    def rejected_setting(self, error_message: str) -> str | None:
        """The setting whose field a server's error message rejects, as users write it; None if none."""
        if not _REJECTED.search(error_message):
            return None
        for name in (*self.extra_body, *self.sampling):
            if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", error_message):
                return f"extra_body.{name}" if name in self.extra_body else _SETTINGS[name]
        return None

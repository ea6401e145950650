"""What a user adds to the bodies sent to an API, and which setting to take back when it is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_llmeval.config.models import ModelConfig

_UNKNOWN = re.compile(
    r"un(known|recogni[sz]ed|supported|expected)|not (supported|permitted|allowed|recogni[sz]ed)|extra|"
    r"invalid|does not support|not a valid|parameter|argument|field",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Extras:
    """Fields that only some bodies have: ``sampling`` those of generated text, ``all`` every one."""

    sampling: Mapping[str, object] = field(default_factory=dict)
    all: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, config: ModelConfig) -> Extras:
        """Those of a model's settings."""
        known = {"top_p": config.top_p, "seed": config.sampling_seed}
        return cls({name: value for name, value in known.items() if value is not None}, config.extra_body)

    def added(self, body: Mapping[str, Any], *, scoring: bool, repeat: int = 0) -> dict[str, Any]:
        """``body`` with these fields; the user's come before our own. Each repeat has a seed of its own."""
        sampling = {} if scoring else dict(self.sampling)
        if repeat and isinstance(seed := sampling.get("seed"), int):
            sampling["seed"] = seed + repeat
        return {**body, **sampling, **self.all}

    def to_blame(self, complaint: str) -> str | None:
        """Which setting made a server complain of a field, in words for "take it out"; None if none."""
        if not _UNKNOWN.search(complaint):
            return None
        for name in (*self.all, *self.sampling):
            if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", complaint):
                return f"{name!r} of extra_body" if name in self.all else _SETTINGS[name]
        return None


_SETTINGS = {"top_p": "top_p (--llm-top-p)", "seed": "sampling_seed (--llm-sampling-seed)"}

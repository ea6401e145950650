"""Fields that a user adds, and which of them a server's complaint is about."""

from __future__ import annotations

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.models.openai.extra_fields import Extras

EXTRAS = Extras.of(
    ModelConfig("m", "openai", top_p=0.5, sampling_seed=3, extra_body={"top_k": 1, "n-best": 2})
)


def test_what_is_added() -> None:
    body = {"model": "m", "top_k": 9}
    assert EXTRAS.added(body, scoring=False) == {
        "model": "m",
        "top_k": 1,
        "n-best": 2,
        "top_p": 0.5,
        "seed": 3,
    }
    assert EXTRAS.added(body, scoring=True) == {"model": "m", "top_k": 1, "n-best": 2}
    assert Extras.of(ModelConfig("m", "openai")).added(body, scoring=False) == body


@pytest.mark.parametrize(
    ("complaint", "setting"),
    [
        ("Unrecognized request argument supplied: top_k", "'top_k' of extra_body"),
        ("top_p: Extra inputs are not permitted", "top_p (--llm-top-p)"),
        ("Unexpected keys in the request: {'seed'}", "sampling_seed (--llm-sampling-seed)"),
        ("[{'type': 'extra_forbidden', 'loc': ('body', 'n-best')}]", "'n-best' of extra_body"),
        ('json: unknown field "top_k"', "'top_k' of extra_body"),
        ("Unsupported parameter: 'stop_top_p'", None),
        ("this seed grew", None),
        ("invalid prompt", None),
        ("", None),
    ],
)
def test_which_setting_is_to_blame(complaint: str, setting: str | None) -> None:
    assert EXTRAS.to_blame(complaint) == setting
    assert Extras().to_blame(complaint) is None

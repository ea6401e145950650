"""Fields that the user adds, and which of them a server's error message rejects."""

from __future__ import annotations

import pytest

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.models.openai.extra_fields import ExtraFields

EXTRA_FIELDS = ExtraFields.from_config(
    ModelConfig("m", "openai", top_p=0.5, sampling_seed=3, extra_body={"top_k": 1, "n-best": 2})
)


def test_added_fields() -> None:
    body = {"model": "m", "top_k": 9}
    assert EXTRA_FIELDS.add_to(body, scoring=False) == {
        "model": "m",
        "top_k": 1,
        "n-best": 2,
        "top_p": 0.5,
        "seed": 3,
    }
    assert EXTRA_FIELDS.add_to(body, scoring=True) == {"model": "m", "top_k": 1, "n-best": 2}
    assert ExtraFields.from_config(ModelConfig("m", "openai")).add_to(body, scoring=False) == body


def test_a_temperature_of_none_is_left_out() -> None:
    none = ExtraFields.from_config(ModelConfig("m", "openai", temperature="none"))
    for scoring in (False, True):
        assert none.add_to({"model": "m", "temperature": 0.0}, scoring=scoring) == {"model": "m"}
    own = ExtraFields.from_config(
        ModelConfig("m", "openai", temperature="none", extra_body={"temperature": 1})
    )
    assert own.add_to({"temperature": 0.0}, scoring=False) == {"temperature": 1}


@pytest.mark.parametrize(
    ("error_message", "setting"),
    [
        ("Unrecognized request argument supplied: top_k", "extra_body.top_k"),
        ("top_p: Extra inputs are not permitted", "top_p (--llm-top-p)"),
        ("Unexpected keys in the request: {'seed'}", "sampling_seed (--llm-sampling-seed)"),
        ("[{'type': 'extra_forbidden', 'loc': ('body', 'n-best')}]", "extra_body.n-best"),
        ('json: unknown field "top_k"', "extra_body.top_k"),
        ("Unsupported parameter: 'stop_top_p'", None),
        ("this seed grew", None),
        ("invalid prompt", None),
        ("", None),
    ],
)
def test_rejected_settings(error_message: str, setting: str | None) -> None:
    assert EXTRA_FIELDS.rejected_setting(error_message) == setting
    assert ExtraFields().rejected_setting(error_message) is None

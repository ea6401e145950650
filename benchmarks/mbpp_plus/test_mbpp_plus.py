"""MBPP+: one item a question, correct if the program that the model wrote passes all tests.

PYTEST_DONT_REWRITE: nobody sees the explanation of an assertion here, and it takes longer than the test.
"""

from __future__ import annotations

import pytest

from pytest_llmeval import LLM, Question


@pytest.mark.llmeval("mbpp_plus")
def test_mbpp_plus(question: Question, llm: LLM) -> None:
    assert llm.correct(question)

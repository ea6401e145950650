"""MATH-500: one item a question. What the assertion says is what correct means.

PYTEST_DONT_REWRITE: nobody sees the explanation of an assertion here, and it takes longer than the test.
"""

from __future__ import annotations

import pytest

from pytest_llmeval import LLM, Question


@pytest.mark.llmeval("math_500")
def test_math_500(question: Question, llm: LLM) -> None:
    assert llm.answer(question) == question.answer

"""Adds the backend ``table``, which answers from a list of phrases."""

import asyncio

from pytest_llmeval import Completion, run_concurrently

PHRASES = {"capital of France": "Paris", "Hamlet": "William Shakespeare"}


class Table:
    """See ``pytest_llmeval.Model`` for what a backend must have."""

    window = 8

    def __init__(self, name):
        self.name = name

    def check(self):
        """Nothing can be wrong before the first question."""

    def identity(self):
        return f"table {self.name}"

    def run(self, jobs):
        asyncio.run(run_concurrently(jobs, self.answer, self.window))

    async def answer(self, request):
        question = request.prompt.text
        text = next((text for phrase, text in PHRASES.items() if phrase in question), "I do not know.")
        return Completion(text=text, finish_reason="stop")


def pytest_llmeval_make_model(config, cache_dir):
    return Table(config.target) if config.backend == "table" else None

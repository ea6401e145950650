"""Instructions that a program can verify: how long a reply is, which words it has, how it is laid out.

``INSTRUCTIONS`` has all 25 of IFEval and 54 of IFBench's 58 by id. A question with another id is an error,
never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_llmeval.scoring.instructions.ifbench_layout import LAYOUT_AND_TASKS
from pytest_llmeval.scoring.instructions.ifbench_text import WORDS_AND_SENTENCES
from pytest_llmeval.scoring.instructions.ifeval import IFEVAL
from pytest_llmeval.scoring.instructions.instruction import Instruction

INSTRUCTIONS: Mapping[str, Instruction] = {**IFEVAL, **WORDS_AND_SENTENCES, **LAYOUT_AND_TASKS}

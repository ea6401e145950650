"""A request as tokens, and a tokenizer that splits context and continuation as lm-evaluation-harness does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jinja2 import TemplateError

from pytest_llmeval.core.errors import ModelUnusable, RequestFailed
from pytest_llmeval.core.types import Completion, Request
from pytest_llmeval.models.hf.prefill import Tokens


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """A request as tokens: the prompt's ``ids``, and either ``tails`` or ``max_new_tokens``.

    ``tails`` are the tokens of each choice after the prompt. ``draft`` is the completion so far: it
    records how the prompt was changed. ``written`` are tokens of the answer that another engine has
    generated.
    """

    request: Request
    ids: Tokens
    max_new_tokens: int
    tails: Mapping[str, Tokens]
    draft: Completion
    written: Tokens = ()

    @property
    def inputs(self) -> Tokens:
        """The tokens that the answer's next token follows."""
        return (*self.ids, *self.written)

    def new_tokens(self, max_inputs: int | None) -> int:
        """The maximum number of tokens to generate, in passes of up to ``max_inputs`` tokens (None: any)."""
        remaining = self.max_new_tokens - len(self.written)
        return remaining if max_inputs is None else min(remaining, max_inputs - len(self.inputs) + 1)

    @property
    def max_length(self) -> int:
        """The maximum number of tokens of prompt and answer together."""
        return len(self.ids) + max([self.max_new_tokens, *map(len, self.tails.values())])

    @property
    def out_of_memory_error(self) -> RequestFailed:
        """The error for a request that does not fit in memory, even alone."""
        return RequestFailed(f"out of memory with {self.max_length} tokens")

    def with_scores(self, scores: Mapping[str, float], greedy: Mapping[str, bool], dtype: str) -> Completion:
        """The completion with the log-probability and the greedy flag of each choice.

        An error if a log-probability is not finite; ``dtype`` is that of the weights.
        """
        completion = replace(
            self.draft,
            scores=scores,
            greedy=greedy,
            finish_reason="scored",
            prompt_tokens=len(self.ids),
            completion_tokens=0,
        )
        return completion if completion.scores_problem is None else self.overflow(dtype)

    def overflow(self, dtype: str) -> Completion:
        """The completion of a request with logits that are not finite: an error that names the dtype."""
        hint = (
            "try --llm-dtype=bfloat16 or float32"
            if dtype == "float16"
            else "are the weights damaged, or is the model quantized for other hardware?"
        )
        return replace(self.draft, error=f"the model's logits are not finite in {dtype}; {hint}")


class PromptTokenizer:
    """A transformers tokenizer used as lm-evaluation-harness 0.4.13 uses it.

    See its ``api/model.py`` (``_encode_pair``) and ``models/huggingface.py`` (``tok_encode``). One thing
    differs: special tokens that a tokenizer appends to a text are left out, because a prompt goes on.
    Raises ``ModelUnusable`` for a tokenizer whose special tokens cannot be told from the text.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._appended = _appended_tokens(tokenizer)

    @property
    def start_token(self) -> int:
        """The token that precedes a text without context: bos, or else eos.

        Raises ``RequestFailed`` if the tokenizer has neither.
        """
        bos, eos = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        token: int | None = eos if bos is None else bos
        if token is None:
            raise RequestFailed("the prompt is empty, and the tokenizer has no bos or eos token")
        return token

    def encode(self, text: str) -> list[int]:
        """The ids of ``text`` after the tokenizer's special tokens; a bos in the text is not repeated."""
        start = self._tokenizer.bos_token or self._tokenizer.eos_token
        if start and text.startswith(start):
            ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        else:
            ids = self._tokenizer.encode(text)
            if self._appended:
                ids = ids[: -len(self._appended)]
        return ids

    def encode_choices(self, context: str, choices: Mapping[str, str]) -> tuple[Tokens, dict[str, Tokens]]:
        """The ids of ``context``, and of each choice after it; trailing blanks move to the choices."""
        bare = context.rstrip()
        blanks = context[len(bare) :]
        if not bare:
            return (self.start_token,), {
                label: tuple(self._tokenizer.encode(blanks + choice, add_special_tokens=False))
                for label, choice in choices.items()
            }
        head = self.encode(bare)
        return tuple(head), {
            label: tuple(self.encode(bare + blanks + choice)[len(head) :])
            for label, choice in choices.items()
        }

    def encode_chat(self, turns: list[dict[str, str]]) -> list[int] | None:
        """The ids of ``turns`` in the model's chat template; None without a template."""
        if not self._tokenizer.chat_template:
            return None
        ids: list[int] = self._tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        return ids

    def render_chat(self, turns: Sequence[dict[str, str]]) -> str | None:
        """The text that the model's chat template makes of ``turns``; None without a template.

        A last turn of the assistant is left open, to be continued. Turns of the system are left out if the
        template refuses them, as lm-evaluation-harness does (``HFLM.apply_chat_template``).
        """
        if not self._tokenizer.chat_template:
            return None
        continues = turns[-1]["role"] == "assistant"
        render = partial(
            self._tokenizer.apply_chat_template,
            tokenize=False,
            add_generation_prompt=not continues,
            continue_final_message=continues,
        )
        try:
            text: str = render(list(turns))
        except TemplateError:
            text = render([turn for turn in turns if turn["role"] != "system"])
        return text


def _appended_tokens(tokenizer: Any) -> Tokens:
    """The special tokens that ``tokenizer`` appends to every text, such as an end token."""
    for text in ("a", "1"):
        bare: list[int] = tokenizer.encode(text, add_special_tokens=False)
        if bare:
            break
    else:
        return ()
    ids: list[int] = tokenizer.encode(text)
    if bare[-1] not in ids:
        raise ModelUnusable(
            f"the tokenizer gives {text!r} other tokens with special tokens ({ids}) than without ({bare}), "
            "so a prompt cannot be told from them; check tokenizer.json"
        )
    last = len(ids) - 1 - ids[::-1].index(bare[-1])
    return tuple(ids[last + 1 :])

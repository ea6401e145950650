"""Decodes tokens, and finds the end of a text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from pytest_llmeval.core.types import Completion, Request
from pytest_llmeval.models.hf.encoded import EncodedRequest

# ends of a chat turn that some checkpoints fail to list as end tokens
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|end_of_turn|>", "<turn|>")
# a character may take several tokens, so a stop string may reach this many tokens back per character
_MAX_TOKENS_PER_CHARACTER = 4


class Detokenizer:
    """Decodes tokens and finds the end of a text.

    ``ends`` are the tokens that end a text; ``listed`` those that the checkpoint itself lists, the only
    ones used for lm-evaluation-harness (None: the same).
    """

    def __init__(self, tokenizer: Any, ends: Collection[int], listed: Collection[int] | None = None) -> None:
        self._tokenizer = tokenizer
        self.ends = frozenset(ends)
        self._listed = self.ends if listed is None else frozenset(listed)
        self._lm_eval_ends: dict[tuple[str, ...], frozenset[int]] = {}

    def end_tokens_for(self, request: Request) -> frozenset[int]:
        """The tokens that end an answer to ``request``."""
        if not request.lm_eval:
            return self.ends
        if request.stop not in self._lm_eval_ends:
            # decoding skips special tokens, so a stop string that is one must be matched as a token
            added = self._tokenizer.added_tokens_decoder
            stops = {id for id, token in added.items() if token.special and str(token) in request.stop}
            self._lm_eval_ends[request.stop] = self._listed | stops
        return self._lm_eval_ends[request.stop]

    def is_complete(self, encoded: EncodedRequest, tokens: Sequence[int]) -> bool:
        """Whether the last of ``tokens`` ends the text: an end token, a stop string, or the limit."""
        if tokens[-1] in self.end_tokens_for(encoded.request) or len(tokens) >= encoded.max_new_tokens:
            return True
        stops = encoded.request.stop
        if not stops:
            return False
        reach = _MAX_TOKENS_PER_CHARACTER * (max(map(len, stops)) + 1)
        latest = self._tokenizer.decode(tokens[-reach:], skip_special_tokens=True)
        return any(stop in latest for stop in stops)

    def completion(self, encoded: EncodedRequest, tokens: Sequence[int]) -> Completion:
        """The text up to the first end token, stop string or limit, and the reason it ended."""
        ends = self.end_tokens_for(encoded.request)
        end = next((index for index, token in enumerate(tokens) if token in ends), None)
        ended = end is not None and end < encoded.max_new_tokens
        written = list(tokens[: end if ended else encoded.max_new_tokens])
        text = self._tokenizer.decode(written, skip_special_tokens=True)
        stops = [index for index in (text.find(stop) for stop in encoded.request.stop) if index >= 0]
        if stops:
            text = text[: min(stops)]
        return replace(
            encoded.draft,
            text=text,
            finish_reason="stop" if ended or stops else "length",
            prompt_tokens=len(encoded.ids),
            completion_tokens=len(written) + ended,
        )


def make_detokenizer(model: Any, tokenizer: Any) -> Detokenizer:
    """A detokenizer with the end tokens of a loaded model."""
    return Detokenizer(tokenizer, end_tokens(model, tokenizer), listed_end_tokens(model, tokenizer))


def end_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """All ids that end an answer: those listed, and the ends of a turn in the chat template."""
    ends = set(listed_end_tokens(model, tokenizer))
    vocabulary = tokenizer.get_added_vocab()
    template = _chat_template(tokenizer)
    ends |= {vocabulary[name] for name in _TURN_ENDS if name in template and name in vocabulary}
    return tuple(sorted(ends))


def _chat_template(tokenizer: Any) -> str:
    """The template of ``tokenizer`` for chats, of several the default; empty without one."""
    if not tokenizer.chat_template:
        return ""
    try:
        template: str = tokenizer.get_chat_template()
    except ValueError:  # several without a default
        return ""
    return template


def listed_end_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The ids that the model's generation config and the tokenizer list as end tokens."""
    listed = getattr(model.generation_config, "eos_token_id", None)
    ends = {*(listed if isinstance(listed, list) else [listed]), tokenizer.eos_token_id}
    return tuple(sorted(end for end in ends if end is not None))

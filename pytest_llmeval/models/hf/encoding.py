"""From requests to tokens, and back to text."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_llmeval.core.errors import RequestFailed, one_line
from pytest_llmeval.core.types import ChatPrompt, Completion, Prompt, Request, shown
from pytest_llmeval.models.hf.passes import Tokens

# ends of a chat turn that some checkpoints forget to list as end tokens
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|end_of_turn|>", "<turn|>")
# a character may take several tokens, so a stop string can lie this far back from the last one
_TOKENS_A_CHARACTER = 4


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request as tokens: ``tails`` are those of each choice, ``room`` the most tokens to write.

    ``note`` is the completion so far: what had to be done to the prompt.
    """

    request: Request
    ids: Tokens
    room: int
    tails: Mapping[str, Tokens]
    note: Completion

    @property
    def size(self) -> int:
        """Tokens it will hold at most."""
        return len(self.ids) + max([self.room, *map(len, self.tails.values())])

    @property
    def too_large(self) -> RequestFailed:
        """What is said when there is no memory for it alone."""
        return RequestFailed(f"out of memory with {self.size} tokens")

    def scored(self, scores: Mapping[str, float], greedy: Mapping[str, bool]) -> Completion:
        """The completion with the choices' log-probabilities, and which of them are what it would write."""
        return replace(
            self.note,
            scores=scores,
            greedy=greedy,
            finish_reason="scored",
            prompt_tokens=len(self.ids),
            completion_tokens=0,
        )


class Encoder:
    """A tokenizer and the most tokens that prompt and answer may have together (None: any number).

    Context and continuation are split as lm-evaluation-harness 0.4.13 does (``api/model.py``,
    ``_encode_pair``).
    """

    def __init__(self, tokenizer: Any, context: int | None) -> None:
        self._tokenizer = tokenizer
        self._context = context

    def pieces(self, request: Request) -> tuple[Encoded, ...]:
        """The request as tokens: one, or several whose scores are to be added up.

        Raises ``RequestFailed`` for what can't be asked.
        """
        if not request.lm_eval:
            return (self.encode(request),)
        from pytest_llmeval.models.hf import as_lm_eval

        if request.rolling:
            return as_lm_eval.rolling(self, request, self._context)
        if request.choices:
            return as_lm_eval.scored(self, request, self._context)
        return (as_lm_eval.written(self, request, self._context),)

    def encode(self, request: Request) -> Encoded:
        """The request's tokens, with the earliest shots left out as far as the context demands.

        Raises ``RequestFailed`` for what can't be asked.
        """
        room = 0 if request.choices else self._room(request.max_tokens)
        dropped = 0
        while True:
            prompt = request.prompt.without_shots(dropped)
            ids, tails, note = self._tokens(prompt, request)
            longest = len(ids) + max([room, *(len(tail) for tail in tails.values())])
            if self._context is None or longest <= self._context:
                break
            if dropped == len(request.prompt.shots):
                raise RequestFailed(
                    f"the prompt has {len(ids)} tokens, with its answer {longest}: "
                    f"more than the model's context of {self._context}"
                )
            dropped += 1
        notes = [note] if note else []
        if dropped:
            notes.append(f"{dropped} earliest shots dropped to fit {self._context} tokens")
        if not request.choices and room < request.max_tokens:
            room = (self._context or 0) - len(ids)
            notes.append(f"answer limited to {room} tokens by the context of {self._context}")
        sent = prompt.text if note else shown(prompt)
        noted = Completion(dropped_shots=dropped, notes=tuple(notes), prompt=sent if notes else None)
        return Encoded(request, ids, room, tails, noted)

    def _room(self, max_tokens: int) -> int:
        """Tokens kept free for the answer: all that is asked for, but at most half of the context."""
        return max_tokens if self._context is None else min(max_tokens, max(1, self._context // 2))

    def _tokens(self, prompt: Prompt, request: Request) -> tuple[Tokens, dict[str, Tokens], str]:
        """Ids of the prompt, of each choice after it, and a note where turns were joined as text."""
        if request.choices:
            head, tails = self.pairs(prompt.text, request.choices)
            if not all(tails.values()):
                raise RequestFailed(f"a choice has no token of its own after the prompt: {one_line(tails)}")
            return head, tails, ""
        if isinstance(prompt, ChatPrompt) and self._tokenizer.chat_template:
            turns = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
            ids = self._tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, tokenize=True, return_dict=False
            )
            return tuple(ids), {}, ""
        note = "no chat template: turns joined as text" if isinstance(prompt, ChatPrompt) else ""
        return tuple(self.tokens(prompt.text)), {}, note

    @property
    def start(self) -> int:
        """The token that stands before a text that nothing else stands before."""
        first, last = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        token: int = last if first is None else first
        return token

    def tokens(self, text: str) -> list[int]:
        """As lm-eval: the tokenizer's own special tokens, but no second one of what the text begins with."""
        first = self._tokenizer.bos_token or self._tokenizer.eos_token
        if first and text.startswith(first):
            ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        else:
            ids = self._tokenizer.encode(text)
        return ids

    def pairs(self, context: str, choices: Mapping[str, str]) -> tuple[Tokens, dict[str, Tokens]]:
        """Context and choices, cut where the context alone ends; blanks move to the choices."""
        bare = context.rstrip()
        blanks = context[len(bare) :]
        if not bare:
            return (self.start,), {
                label: tuple(self._tokenizer.encode(blanks + choice, add_special_tokens=False))
                for label, choice in choices.items()
            }
        head = self.tokens(bare)
        return tuple(head), {
            label: tuple(self.tokens(bare + blanks + choice)[len(head) :])
            for label, choice in choices.items()
        }


class Writer:
    """When a text ends, and what it says.

    ``ends`` are tokens that end it, ``listed`` those that the checkpoint itself calls so (None: the same).
    """

    def __init__(self, tokenizer: Any, ends: Collection[int], listed: Collection[int] | None = None) -> None:
        self._tokenizer = tokenizer
        self.ends = frozenset(ends)
        self._listed = self.ends if listed is None else frozenset(listed)
        self._own: dict[tuple[str, ...], frozenset[int]] = {}

    def ends_of(self, request: Request) -> frozenset[int]:
        """The tokens that end an answer to ``request``."""
        if not request.lm_eval:
            return self.ends
        if request.stop not in self._own:
            # a special token is not in the text, so that a stop string which is one must be seen before
            added = self._tokenizer.added_tokens_decoder
            stops = {id for id, token in added.items() if token.special and str(token) in request.stop}
            self._own[request.stop] = self._listed | stops
        return self._own[request.stop]

    def ended(self, encoded: Encoded, tokens: Sequence[int]) -> bool:
        """Whether the last of ``tokens`` ends the text: an end token, a stop string, or no room left."""
        if tokens[-1] in self.ends_of(encoded.request) or len(tokens) >= encoded.room:
            return True
        stops = encoded.request.stop
        if not stops:
            return False
        reach = _TOKENS_A_CHARACTER * (max(map(len, stops)) + 1)
        latest = self._tokenizer.decode(tokens[-reach:], skip_special_tokens=True)
        return any(stop in latest for stop in stops)

    def completion(self, encoded: Encoded, tokens: Sequence[int]) -> Completion:
        """The text up to the first end token, the room or a stop string, and which of them it was."""
        ends = self.ends_of(encoded.request)
        end = next((place for place, token in enumerate(tokens) if token in ends), None)
        ended = end is not None and end < encoded.room
        kept = list(tokens[: end if ended else encoded.room])
        text = self._tokenizer.decode(kept, skip_special_tokens=True)
        stops = [place for place in (text.find(stop) for stop in encoded.request.stop) if place >= 0]
        if stops:
            text = text[: min(stops)]
        return replace(
            encoded.note,
            text=text,
            finish_reason="stop" if ended or stops else "length",
            prompt_tokens=len(encoded.ids),
            completion_tokens=len(kept) + ended,
        )


def end_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """All ids that end an answer: the model's, the tokenizer's, and ends of a turn in its template."""
    ends = set(listed_ends(model, tokenizer))
    template = tokenizer.chat_template
    vocabulary = tokenizer.get_added_vocab()
    if isinstance(template, str):
        ends |= {vocabulary[name] for name in _TURN_ENDS if name in template and name in vocabulary}
    return tuple(sorted(ends))


def listed_ends(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The ids that model and tokenizer themselves say end an answer."""
    listed = getattr(model.generation_config, "eos_token_id", None)
    ends = {*(listed if isinstance(listed, list) else [listed]), tokenizer.eos_token_id}
    return tuple(sorted(end for end in ends if end is not None))

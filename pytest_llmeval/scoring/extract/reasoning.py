"""Separate the reasoning of a model from its answer."""

from __future__ import annotations

import re

#: marks of reasoning, as chat templates and servers leave them in a text; each is (open, close)
_NAMES = "think|thinking|thought|thoughts|reasoning|reflection|scratchpad"
_MARK = re.compile(
    rf"<(?P<tag>/?)(?:{_NAMES}|seed:think)[ \t]*>"
    r"|\[(?P<bracket>/?)THINK\]"
    r"|◁(?P<triangle>/?)think▷"
    r"|<\|(?P<bar>/?)(?:think|thinking|begin_of_thought|START_THINKING)\|>"
    r"|<\|(?P<end>END|end_of)_(?:THINKING|thought)\|>",
    re.I,
)
#: the channels of gpt-oss ("harmony"), with their marks or, as some servers decode them, without
_CHANNEL = re.compile(
    r"(?:<\|start\|>assistant)?<\|channel\|>(?P<channel>\w{1,20})[^<\n]{0,40}(?:<\|constrain\|>\w{0,20})?<\|message\|>"
)
_CHANNEL_END = re.compile(r"<\|(?:end|return|call)\|>")
_BARE_ANALYSIS = re.compile(r"\s*(?:assistant)?analysis(?=[A-Z])")
_BARE_FINAL = re.compile(r"assistant\s{0,2}final")


def split_reasoning(text: str, marks: tuple[str, str] | None = None) -> tuple[str, str]:
    """Split a text into ``(answer, reasoning)`` by the marks around reasoning.

    Known marks are tags such as ``<think>``, ``<thinking>``, ``<thought>`` and ``<reasoning>``, ``[THINK]``
    (Mistral), ``◁think▷`` (Kimi), ``<|START_THINKING|>`` (Cohere) and the channels of gpt-oss. An unclosed
    mark extends to the end of the text. If a closing mark has no opening mark, everything before it is
    reasoning. A text without marks is returned unchanged. ``marks`` are a model's own, in addition to these.
    """
    if marks is not None and any(mark in text for mark in marks):
        text = text.replace(marks[0], "<think>").replace(marks[1], "</think>")
    if "<|channel|>" in text:
        return _split_channels(text)
    if bare := _BARE_ANALYSIS.match(text):
        final = _BARE_FINAL.search(text)
        end = len(text) if final is None else final.end()
        return text[end:].strip(), text[bare.end() : end].strip()
    answer: list[str] = []
    reasoning: list[str] = []
    inside = False
    position = 0
    for mark in _MARK.finditer(text):
        piece = text[position : mark.start()].strip()
        closing = any(mark[name] for name in ("tag", "bracket", "triangle", "bar", "end"))
        if closing and not inside:
            reasoning += answer
            answer = []
        (reasoning if inside or closing else answer).append(piece)
        inside = not closing
        position = mark.end()
    if not position:
        return text, ""
    (reasoning if inside else answer).append(text[position:].strip())
    # marks cannot contain newlines, so joined pieces never form a new mark
    return "\n".join(filter(None, answer)), "\n".join(filter(None, reasoning))


def _split_channels(text: str) -> tuple[str, str]:
    """Split a text by its channels: ``final`` is the answer, everything else reasoning."""
    answer: list[str] = []
    reasoning: list[str] = []
    marks = list(_CHANNEL.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=True):
        piece = _CHANNEL_END.sub("", text[mark.end() : end]).strip()
        (answer if mark["channel"] == "final" else reasoning).append(piece)
    if not marks:
        return text, ""
    before = text[: marks[0].start()].strip()
    return "\n".join(filter(None, answer)), "\n".join(filter(None, [before, *reasoning]))

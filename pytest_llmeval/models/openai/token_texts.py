"""The text of a token, which servers write as text, in the tokenizer's alphabet, as bytes or as a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

_TOKEN_ID = re.compile(r"token_id:\d+")
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_METASPACE = "▁"
#: characters that only the alphabet of byte-level tokenizers has: a space, a line break, a tab, ...
_FIRST_SHIFTED, _LAST_SHIFTED = "\u0100", "\u0143"
_UNREADABLE = re.compile(r"\ufffd|^bytes:|\\x[0-9a-f]{2}|<0x[0-9A-Fa-f]{2}>|^\Z", re.IGNORECASE)


def _byte_alphabet() -> dict[str, int]:
    """The characters with which byte-level tokenizers (GPT-2 and later) write bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + at): byte for at, byte in enumerate(shifted)
    }


_BYTES = _byte_alphabet()


def is_token_id(token: str) -> bool:
    """Whether a server wrote a token's number instead of its text (vLLM's option for that)."""
    return _TOKEN_ID.fullmatch(token) is not None


def readings(token: str, raw: object = None) -> frozenset[str]:
    """What a token may stand for; ``raw`` are its bytes, if the server lists them.

    A letter such as ``ł`` is itself, or a byte in the alphabet of byte-level tokenizers.

    >>> sorted(readings("ĠA")), sorted(readings("▁A")), readings("bytes:x", [230, 150, 135]) >= {"文"}
    ([' A', 'ĠA'], [' A', '▁A'], True)
    """
    found = {token, token.replace(_METASPACE, " ")}
    if isinstance(raw, list) and raw and not is_token_id(token):
        with suppress(ValueError, TypeError):
            found.add(bytes(raw).decode())
    if (byte := _BYTE.fullmatch(token)) is not None:
        found.add(bytes.fromhex(byte[1]).decode("utf-8", "replace"))
    decoded = _from_byte_alphabet(token)
    return frozenset(found if decoded is None else {*found, decoded})


def end_with(tokens: Sequence[str], text: str) -> bool:
    """Whether the tokens' texts end with ``text``, apart from white space."""
    joined = "".join(tokens)
    return any(_squeezed(reading).endswith(_squeezed(text)) for reading in readings(joined))


def are_unreadable(tokens: Sequence[str]) -> bool:
    """Whether some of the tokens are parts of characters, so that their texts say nothing."""
    return any(_UNREADABLE.search(token) or not token.isascii() for token in tokens)


def _from_byte_alphabet(text: str) -> str | None:
    """The text that a byte-level tokenizer wrote in its alphabet; None if this is none."""
    shifted = any(_FIRST_SHIFTED <= char <= _LAST_SHIFTED for char in text)
    if not shifted or not all(char in _BYTES for char in text):
        return None
    return bytes(_BYTES[char] for char in text).decode("utf-8", "replace")


def _squeezed(text: str) -> str:
    """A text without white space: tokenizers add and drop it at the borders of tokens."""
    return "".join(text.split())

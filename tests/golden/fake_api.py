"""A deterministic OpenAI-compatible server for the golden recordings; standard library only.

Every answer is a pure function of the request: its model name, its seed, and its last user message. What the
message says decides how it is answered:

    SAY<text>      the answer is that text
    PICK<text>     the answer is the label of the choice that has this text
    CODE<name>     the answer is one of PROGRAMS
    FAIL<status>   the request is refused with that HTTP status
    FLAKY          the first request is refused with 503, the next one is answered

Anything else is answered with a letter from A to D, chosen by a hash and phrased in one of several ways. The
model called "judge" grades; "judge-fails" refuses some of its requests.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

_FORMS = ("答案：{}", "The answer is {}.", "{}", "Answer: {}\nBecause it is so.", "({})")
_FENCED = "Here it is:\n```python\n{}\n```"
PROGRAMS = {
    "right": _FENCED.format("def add(a, b):\n    return a + b"),
    "wrong": _FENCED.format("def add(a, b):\n    return a - b"),
    "raises": _FENCED.format("def add(a, b):\n    raise ValueError('no')"),
    "exits": _FENCED.format("import os\nos._exit(0)"),
    "loops": _FENCED.format("def add(a, b):\n    while True:\n        pass"),
    "syntax": _FENCED.format("def add(a, b:\n    return"),
    "nothing": "",
}


def number_of(text: str, seed: object = None) -> int:
    """A number that depends on the text and the seed alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{text}".encode()).digest()[:6], "big")


def _letter_answer(text: str, seed: object) -> str:
    number = number_of(text, seed)
    if number % 11 == 0:
        return "I cannot tell."
    answer = _FORMS[number // 4 % len(_FORMS)].format("ABCD"[number % 4])
    return f"<think>First D, then {answer}</think>{answer}" if number % 7 == 0 else answer


def _judge_answer(messages: list[Json]) -> str:
    first = messages[0]["content"]
    number = number_of(first)
    if "[[" in first:
        return f"A fair answer.\n[[{number % 10 + 1}]]"
    if number % 5 == 0 and len(messages) == 1:
        return "Hard to say."  # no verdict: the judge is asked once more
    grade = "CI"[number // 5 % 2] if "GRADE: P" not in first else "CPI"[number // 5 % 3]
    return f"I compared the two.\n{('GRADE: {}', '**GRADE: {}**')[number % 2].format(grade)}"


def _text_of(body: Json) -> str:
    """The last user message, or the plain prompt."""
    if "prompt" in body:
        return str(body["prompt"])
    return str([one for one in body["messages"] if one["role"] == "user"][-1]["content"])


class FakeApi:
    """Serves between ``with`` and its end; port 0 takes a free one.

    ``salt`` changes all letters, as another model would. ``hold_after`` answers so many requests and leaves
    the others waiting until ``release`` is called. ``posts`` counts the requests for completions.
    """

    def __init__(self, port: int = 0) -> None:
        self.salt = ""
        self.fail_share = 0
        self.hold_after: int | None = None
        self.posts = 0
        self.answered = 0
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.api = self
        self.port = int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FakeApi:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._http.shutdown()
        self._http.server_close()

    def release(self) -> None:
        """Answer the requests that are held back, and hold back no more."""
        self.hold_after = None
        self._released.set()

    def reset(self) -> None:
        """Start a new step: count from zero, answer everything, forget earlier failures."""
        self.salt, self.fail_share, self.hold_after = "", 0, None
        self.posts = self.answered = 0
        self._seen.clear()
        self._released.clear()

    def reply(self, body: Json, chat: bool) -> tuple[int, Json]:
        """Status and content of the reply to a request."""
        text = _text_of(body)
        with self._lock:
            self.posts += 1
            hold = self.hold_after is not None and self.posts > self.hold_after
            key = json.dumps([body.get("model"), body.get("messages") or text, body.get("seed")])
            self._seen[key] += 1
            seen = self._seen[key]
        if hold:
            self._released.wait(120)
        status = self._status(text, seen, str(body.get("model")))
        if status != 200:
            return status, {"error": {"message": f"this one fails with {status}", "code": None}}
        content = _chat(body, text, self.salt) if chat else _plain(body, text, self.salt)
        with self._lock:
            self.answered += 1
        return 200, content

    def _status(self, text: str, seen: int, model: str) -> int:
        if found := re.search(r"FAIL<(\d+)>", text):
            return int(found[1])
        if "FLAKY" in text and seen == 1:
            return 503
        if model == "judge-fails" and number_of(text) % 2:
            return 400
        return 400 if self.fail_share and number_of(text) % self.fail_share == 0 else 200


def _answer(body: Json, text: str, salt: str) -> str:
    if str(body.get("model")).startswith("judge"):
        return _judge_answer(body["messages"])
    if found := re.findall(r"SAY<(.*?)>", text, re.DOTALL):
        return str(found[-1])
    if found := re.findall(r"PICK<(\w+)>", text):
        picked = re.findall(rf"^([A-Z])\W+{found[-1]}\b", text, re.MULTILINE)
        return f"The answer is {picked[-1]}." if picked else "None of them."
    if found := re.findall(r"CODE<(\w+)>", text):
        return PROGRAMS[found[-1]]
    return _letter_answer(text + salt, body.get("seed"))


def _usage(text: str, answer: str) -> Json:
    prompt, written = len(text.split()) + 5, len(answer.split())
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}


def _chat(body: Json, text: str, salt: str) -> Json:
    answer = _answer(body, text, salt)
    choice: Json = {"index": 0, "finish_reason": "stop", "logprobs": None}
    if body.get("logprobs"):
        scores = {label: -(number_of(text + label + salt) % 997) / 100 - 0.01 for label in "ABCD"}
        answer = max(scores, key=lambda label: scores[label])
        ordered = sorted(scores.items(), key=lambda pair: -pair[1])
        top = [{"token": one, "logprob": score, "bytes": None} for one, score in ordered]
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        choice["finish_reason"] = "length"
    message: Json = {"role": "assistant", "content": answer}
    if number_of(text, "reasoning") % 6 == 0:
        message["reasoning_content"] = "Let me think."
    choice["message"] = message
    return {
        **{"id": "c", "object": "chat.completion", "created": 0, "model": body.get("model")},
        **{"choices": [choice], "usage": _usage(text, answer)},
    }


def _plain(body: Json, text: str, salt: str) -> Json:
    choice: Json = {"index": 0, "finish_reason": "stop", "logprobs": None}
    if body.get("echo"):
        tokens = re.findall(r"\s*\S+|\s+$", text) or [text]
        starts = [0]
        for token in tokens:
            starts.append(starts[-1] + len(token))
        scores = [-(number_of(f"{text[:start]}|{token}") % 499) / 100 for start, token in zip(starts, tokens)]  # noqa: B905
        choice["text"], choice["finish_reason"] = text, "length"
        tops = [{token: score, "?": -2.0} for token, score in zip(tokens, scores)]  # noqa: B905
        choice["logprobs"] = {
            **{"tokens": tokens, "token_logprobs": [None, *scores[1:]]},
            "top_logprobs": [None, *tops[1:]],
            "text_offset": starts[:-1],
        }
        usage = {"prompt_tokens": len(tokens), "completion_tokens": 0, "total_tokens": len(tokens)}
    else:
        choice["text"] = _answer(body, text, salt)
        usage = _usage(text, choice["text"])
    return {"id": "c", "object": "text_completion", "choices": [choice], "usage": usage}


def _events(content: Json) -> list[str]:
    """A chat completion as server-sent events, three letters in each."""
    choice = content["choices"][0]
    text = choice["message"]["content"]
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[at : at + 3]} for at in range(0, len(text), 3)]
    chunks: list[Json] = [{"choices": [{"index": 0, "finish_reason": None, "delta": one}]} for one in deltas]
    chunks.append({"choices": [{"index": 0, "finish_reason": choice["finish_reason"], "delta": {}}]})
    chunks.append({"choices": [], "usage": content["usage"]})
    return [*(json.dumps(one) for one in chunks), "[DONE]"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    api: FakeApi

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed break their connections; that is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """The list of models."""
        models = [{"id": "m", "object": "model"}]
        known = self.path.partition("?")[0] == "/v1/models"
        self._send(200 if known else 404, {"object": "list", "data": models} if known else {})

    def do_POST(self) -> None:
        """A completion of a chat or of plain text."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        if path not in ("/v1/chat/completions", "/v1/completions"):
            self._send(404, {"detail": "Not Found"})
        elif "bad-key" in self.headers.get("authorization", ""):
            self._send(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
        else:
            status, content = self.server.api.reply(body, path.endswith("/chat/completions"))
            if status == 200 and body.get("stream"):
                data = "".join(f"data: {one}\n\n" for one in _events(content))
                self._send_bytes(200, data.encode(), "text/event-stream")
            else:
                self._send(status, content)

    def _send(self, status: int, content: Json) -> None:
        self._send_bytes(status, json.dumps(content).encode(), "application/json")

    def _send_bytes(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

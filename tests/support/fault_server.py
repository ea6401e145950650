"""A server whose answers depend on the question, with injected faults, for tests.

    with FaultServer(Rates(too_many=0.05, error=0.02)) as server: ...

Which requests fail depends on a seed and on how often the question was sent before.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from tests.support.api_server import DROP, Reply, Server, completion, error

HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(frozen=True)
class Rates:
    """The share of requests that suffer each fault."""

    too_many: float = 0.0
    error: float = 0.0
    drop: float = 0.0
    hang: float = 0.0
    torn: float = 0.0
    html: float = 0.0
    drip: float = 0.0


#: a rough network: about one request in nine fails
ROUGH = Rates(too_many=0.05, error=0.02, drop=0.005, hang=0.01, torn=0.01, html=0.005, drip=0.01)


def answer_to(question: str) -> str:
    """A to D by a hash of the question: the same for each request, different between questions."""
    return "ABCD"[hashlib.sha256(question.encode()).digest()[0] % 4]


class FaultServer(Server):
    """Answers with ``answer_to``. ``requests`` counts requests by question, ``answered`` good replies."""

    def __init__(
        self,
        rates: Rates = Rates(),
        *,
        latency: float = 0.0,
        hang_s: float = 30.0,
        drip_s: float = 6.0,
        always_fails: frozenset[str] = frozenset(),
        port: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(latency=latency, port=port)
        self.rates = rates
        self.hang_s = hang_s
        self.drip_s = drip_s
        self.always_fails = always_fails
        self.seed = seed
        self.requests: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def _reply(self, method: str, path: str, headers: Mapping[str, str], sent: bytes) -> Reply:
        if method != "POST":
            return super()._reply(method, path, headers, sent)
        question = json.loads(sent)["messages"][-1]["content"]
        self.bodies.append({})
        self.requests[question] += 1
        if question in self.always_fails:
            return error(500, "this question always fails")
        fault = self._fault(question)
        if fault is not None:
            self.faults[fault] += 1
        good = completion(f"答案：{answer_to(question)}")
        match fault:
            case "too_many":
                return error(429, "slow down", headers={"retry-after": "0.2"})
            case "error":
                return error(500, "oops")
            case "drop":
                return DROP
            case "hang":
                return Reply(good, latency=self.hang_s)
            case "drip":  # keeps arriving, but is never complete in time
                return Reply(good, drip_s=self.drip_s)
            case "torn":
                return Reply(json.dumps(good)[:60])
            case "html":
                return Reply(HTML, headers={"content-type": "text/html"})
            case _:
                self.answered[question] += 1
                return Reply(good)

    def _fault(self, question: str) -> str | None:
        draw = random.Random(f"{self.seed}/{question}/{self.requests[question]}").random()
        for rate in fields(Rates):
            draw -= getattr(self.rates, rate.name)
            if draw < 0:
                return rate.name
        return None


def write_benchmark(folder: Path, count: int, *, subjects: int = 1) -> Path:
    """Write ``count`` questions to ``folder/faulty``. The gold answer is always A: a quarter are correct."""
    folder = folder / "faulty"
    (folder / "data").mkdir(parents=True)
    names = [f"s{number}" for number in range(subjects)]
    for index, name in enumerate(names):
        rows = range(count * index // subjects, count * (index + 1) // subjects)
        lines = ["id,question,A,B,C,D,answer", *(f"{row},question {row}?,w,x,y,z,A" for row in rows)]
        (folder / f"data/{name}_val.csv").write_text("\n".join(lines) + "\n")
    (folder / "benchmark.toml").write_text(
        'name = "faulty"\ntitle = "Faulty"\nsplit = "val"\nshots = 0\n'
        '[data]\npaths = ["data/{subject}_{split}.csv"]\n'
        '[prompts.generate]\nuser = "{{ question }}"\nassistant = "{{ answer }}"\n[subjects]\n'
        + "".join(f'{name} = {{name = "{name}"}}\n' for name in names)
    )
    return folder


def expected_correct(count: int) -> int:
    """How many of the benchmark's questions the server answers with A."""
    return sum(answer_to(f"question {row}?") == "A" for row in range(count))

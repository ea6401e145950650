"""Whole runs against an API: fatal errors, limits shared by xdist workers, and secrets."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.api_server import DROP, Reply, Server, completion, error
from tests.support.workers import WORKERS

pytestmark = pytest.mark.usefixtures("sdk_loaded")

KEY = "sk-very-secret-0123456789"
HEADER = "hush-hush-4711"
PASSWORD = "pass-word-9"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def run(pytester: pytest.Pytester, server: Server, *more: str, toml: str = "") -> pytest.RunResult:
    url = server.url.replace("http://", f"http://me:{PASSWORD}@")
    lines = ["[models.m]", 'backend = "openai"', 'model = "m"', f'base_url = "{url}"', toml]
    (pytester.path / "llmeval.toml").write_text("\n".join(lines), "utf-8")
    return pytester.runpytest("--llm-model=m", "--llm-benchmark=mini", *more)


def all_text(folder: Path) -> str:
    return "\n".join(p.read_bytes().decode("utf-8", "replace") for p in folder.rglob("*") if p.is_file())


def questions(pytester: pytest.Pytester) -> list[dict]:  # type: ignore[type-arg]
    text = (pytester.path / "reports/latest/questions.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("xdist", WORKERS)
def test_a_rejected_field_ends_the_run_with_one_line(pytester: pytest.Pytester, xdist: str) -> None:
    with Server(usual=error(422, "unknown field `top_k`")) as server:
        done = run(pytester, server, xdist, toml="extra_body = {top_k = 3}")
    assert done.ret == 4
    errors = [
        line for line in done.outlines if line.startswith("ERROR: ") and "remove extra_body.top_k" in line
    ]
    assert len(errors) == 1 and "status 422: unknown field `top_k`" in errors[0]
    assert len(server.bodies) <= 40


def test_the_time_to_first_token_is_recorded(pytester: pytest.Pytester) -> None:
    with Server(event_s=0.001) as server:
        server.script(Reply(completion(), events=2))
        assert run(pytester, server, "--llm-stream", "--llm-limit=2").ret == 0
    rows = questions(pytester)
    assert rows and all(0 < row["first_token_s"] <= row["latency_s"] for row in rows)
    assert max(row["attempts"] for row in rows) == 2


@pytest.mark.slow
def test_workers_share_the_rate(pytester: pytest.Pytester) -> None:
    with Server() as server:
        assert run(pytester, server, "-n2", "--llm-rate=10", "--llm-limit=6").ret == 0
    requests = len(server.times)
    assert requests >= 6 and server.times[-1] - server.times[0] >= (requests - 2) / 10 * 0.9
    # each worker has half of the rate
    assert all(third - first >= 0.1 for first, third in pairwise(server.times[::2]))


@pytest.mark.parametrize("xdist", WORKERS)
def test_no_secret_is_written_anywhere(pytester: pytest.Pytester, xdist: str, own_cache: Path) -> None:
    echo = f"who sent {KEY}, {HEADER} and {PASSWORD}?"
    settings = f'headers = {{X-Pass = "{HEADER}"}}\nretries = 0'
    with Server() as server:
        server.script(
            error(400, echo), Reply(echo, 500), DROP, error(429, echo), Reply(completion(echo)), Reply(echo)
        )
        done = run(pytester, server, xdist, "--log-level=DEBUG", "-ra", "--junitxml=junit.xml", toml=settings)
        assert done.ret == 1
        assert all(headers["x-pass"] == HEADER for headers in server.headers)
        server.usual = error(401, echo)
        refused = run(pytester, server, xdist, "--log-level=DEBUG", toml=settings)
        assert refused.ret == 4
    (pytester.path / "llmeval.toml").unlink()
    assert list(own_cache.rglob("*.sqlite3"))
    text = all_text(pytester.path) + all_text(own_cache) + done.stdout.str() + done.stderr.str()
    text += refused.stdout.str() + refused.stderr.str()
    assert "who sent ***" in text
    for secret in (KEY, HEADER, PASSWORD):
        assert secret not in text

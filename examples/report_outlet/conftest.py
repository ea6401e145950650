"""Sends the scores of a run somewhere else after it ended."""

import json
from pathlib import Path

RESULTS = Path("reports/latest/results.json")


def pytest_sessionstart(session):
    session.config.stash["before"] = RESULTS.stat().st_mtime_ns if RESULTS.exists() else None


def pytest_unconfigure(config):
    """The last hook: results.json is complete. With xdist, only the controller reports."""
    if hasattr(config, "workerinput") or not RESULTS.exists():
        return
    if RESULTS.stat().st_mtime_ns != config.stash.get("before", None):
        send(json.loads(RESULTS.read_text(encoding="utf-8")))


def send(results):
    lines = [f"{r['model']} {r['benchmark']} {r['accuracy']:.3f}" for r in results["results"]]
    Path("scores.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

"""A fake inference server that tests start: it loads for a while, answers A, and may misbehave.

``python tests/support/inference_server.py --port 8000 --load 1``
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.support.api_server import Server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--load", type=float, default=0.0, help="seconds until it listens")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--dies-after", type=int, help="number of questions")
    parser.add_argument("--fails", help="prints this error and exits before it listens")
    parser.add_argument("--pids", type=Path, help="file for its PID and that of a child in another session")
    parser.add_argument("--stubborn", action="store_true", help="ignores SIGTERM")
    args = parser.parse_args()
    if args.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if args.pids is not None:
        child = subprocess.Popen([sys.executable, "-c", _SLEEP], start_new_session=True)
        with args.pids.open("a") as file:
            file.write(f"{os.getpid()} {child.pid}\n")
    print("loading the weights", flush=True)
    time.sleep(args.load)
    if args.fails is not None:
        print(f"Traceback (most recent call last):\nRuntimeError: {args.fails}", flush=True)
        sys.exit(3)
    with Server(port=args.port, latency=args.latency) as server:
        while args.dies_after is None or len(server.bodies) < args.dies_after:
            threading.Event().wait(0.02)
        print("CUDA error: an illegal memory access was encountered", flush=True)
        os._exit(5)


_SLEEP = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"

if __name__ == "__main__":
    main()

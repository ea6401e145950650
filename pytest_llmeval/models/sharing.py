"""What the workers of one machine share: GPUs, cores, and what a session may ask of an API. No torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata

from pytest_llmeval.config.models import ModelConfig
from pytest_llmeval.core.errors import UserError

#: the variable that says which GPUs a process sees
VISIBLE = "CUDA_VISIBLE_DEVICES"
_LOCAL = ("hf", "smollm2")
_ASKED = ("openai", "serve")
_LISTING = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")
_LISTING_TIMEOUT_S = 20
_ON_GPUS = re.compile(r"auto|cuda")
_ONE_DEVICE = re.compile(r"mps|\w+:\d+")


def gpus(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The GPUs that a process started now would see, as ``CUDA_VISIBLE_DEVICES`` names them.

    NVIDIA's: those of that variable where it is set (up to the first that is none, as CUDA reads it), else
    what nvidia-smi lists. None where torch is absent or built without CUDA.
    """
    try:
        if metadata.version("torch").endswith("+cpu"):
            return ()
    except metadata.PackageNotFoundError:
        return ()
    if (told := environ.get(VISIBLE)) is not None:
        found = []
        for name in map(str.strip, told.split(",")):
            if not re.fullmatch(r"\d+|(GPU|MIG)-\S+", name):
                break
            found.append(name)
        return tuple(found)
    with suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            _LISTING, capture_output=True, text=True, timeout=_LISTING_TIMEOUT_S, env=dict(environ)
        )
        return tuple(line.strip() for line in listed.stdout.splitlines() if line.strip().isdigit())
    return ()


def on_gpus(models: Sequence[ModelConfig]) -> bool:
    """Whether any of the models would be loaded here, on whichever GPUs there are."""
    return any(model.backend in _LOCAL and _ON_GPUS.fullmatch(model.device) for model in models)


def auto_workers(models: Sequence[ModelConfig], environ: Mapping[str, str]) -> int | None:
    """How many workers ``-n auto`` means: one for each GPU, one on a CPU; None without a local model."""
    local = [model for model in models if model.backend in _LOCAL]
    if not local:
        return None
    return max(1, len(gpus(environ))) if all(on_gpus([model]) for model in local) else 1


def divided(found: Sequence[str], workers: int) -> list[tuple[str, ...]]:
    """For each worker its GPUs: consecutive ones, as many for each as there are, each for one only."""
    return [
        tuple(found[len(found) * number // workers : len(found) * (number + 1) // workers])
        for number in range(workers)
    ]


def check_devices(models: Sequence[ModelConfig], found: Sequence[str], workers: int) -> None:
    """Raises ``UserError`` where several workers would have one GPU."""
    for model in models:
        if model.backend not in _LOCAL or workers < 2:
            continue
        mac = sys.platform == "darwin" and model.device == "auto"
        if mac or _ONE_DEVICE.fullmatch(model.device):
            there, one = "one GPU", "-n1"
            what = "this Mac has" if mac or model.device == "mps" else f"--llm-device={model.device} is"
        elif found and on_gpus([model]) and workers > len(found):
            one = f"-n{len(found)} or -n auto"
            there = "1 GPU" if len(found) == 1 else f"{len(found)} GPUs"
            what = f"{VISIBLE} allows" if VISIBLE in os.environ else "this machine has"
        else:
            continue
        raise UserError(
            f"model {model.name}: {workers} workers, but {what} {there}, and each worker loads the model on "
            f"a GPU of its own; give {one}, or --llm-device=cpu"
        )


def askers(model: ModelConfig, workers: int) -> int:
    """How many of the workers may ask a model: of an API no more than there may be requests in flight."""
    if model.backend in _ASKED and model.concurrency is not None:
        return min(workers, model.concurrency)
    return workers


def check_askers(models: Sequence[ModelConfig], workers: int, dist: str) -> None:
    """Raises ``UserError`` for a way to hand out items in which the session's limits cannot be kept."""
    if dist == "each" and workers > 1:
        raise UserError("--dist=each would ask and count each question once for each worker; leave it out")
    for model in models:
        if dist != "load" and askers(model, workers) < workers:
            raise UserError(
                f"model {model.name}: with --dist={dist} each of the {workers} workers may ask it, but "
                f"concurrency is {model.concurrency}; leave out --dist, or give -n{model.concurrency}"
            )


def part(whole: int, number: int, parts: int) -> int:
    """The part of a whole for the ``number``-th (from 0); all parts together are the whole."""
    return whole // parts + (number < whole % parts)

"""Resources that xdist workers on one machine share: GPUs, cores and API limits. Does not import torch."""

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

#: the environment variable with the GPUs that a process may use
VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
_LOCAL_BACKENDS = ("hf", "smollm2")
_API_BACKENDS = ("openai", "serve")
_NVIDIA_SMI = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")
_NVIDIA_SMI_TIMEOUT_S = 20
_ON_GPUS = re.compile(r"auto|cuda")
_ONE_DEVICE = re.compile(r"mps|\w+:\d+")


def visible_gpus(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The NVIDIA GPUs visible to a process with this environment, as in ``CUDA_VISIBLE_DEVICES``.

    If the variable is set, it is read as CUDA does, up to the first invalid entry; otherwise nvidia-smi
    lists them. Empty if torch is not installed or built without CUDA.
    """
    try:
        if metadata.version("torch").endswith("+cpu"):
            return ()
    except metadata.PackageNotFoundError:
        return ()
    if (devices := environ.get(VISIBLE_DEVICES)) is not None:
        names = []
        for name in map(str.strip, devices.split(",")):
            if not re.fullmatch(r"\d+|(GPU|MIG)-\S+", name):
                break
            names.append(name)
        return tuple(names)
    with suppress(OSError, subprocess.SubprocessError):
        result = subprocess.run(
            _NVIDIA_SMI, capture_output=True, text=True, timeout=_NVIDIA_SMI_TIMEOUT_S, env=dict(environ)
        )
        return tuple(line.strip() for line in result.stdout.splitlines() if line.strip().isdigit())
    return ()


def use_gpus(models: Sequence[ModelConfig]) -> bool:
    """Whether any of the models would be loaded on this machine's GPUs, without naming one of them."""
    return any(model.backend in _LOCAL_BACKENDS and _ON_GPUS.fullmatch(model.device) for model in models)


def auto_workers(models: Sequence[ModelConfig], environ: Mapping[str, str]) -> int | None:
    """The number of workers for ``-n auto``: one per GPU, one on a CPU; None without a local model."""
    local = [model for model in models if model.backend in _LOCAL_BACKENDS]
    if not local:
        return None
    return max(1, len(visible_gpus(environ))) if all(use_gpus([model]) for model in local) else 1


def split_gpus(gpus: Sequence[str], workers: int) -> list[tuple[str, ...]]:
    """The GPUs of each worker: consecutive, and as evenly distributed as possible."""
    return [
        tuple(gpus[len(gpus) * number // workers : len(gpus) * (number + 1) // workers])
        for number in range(workers)
    ]


def check_devices(models: Sequence[ModelConfig], gpus: Sequence[str], workers: int) -> None:
    """Raise ``UserError`` if several workers would load a model on the same GPU."""
    for model in models:
        if model.backend not in _LOCAL_BACKENDS or workers < 2:
            continue
        mac = sys.platform == "darwin" and model.device == "auto"
        if mac or _ONE_DEVICE.fullmatch(model.device):
            available, option = "one GPU", "-n1"
            subject = "this Mac has" if mac or model.device == "mps" else f"--llm-device={model.device} is"
        elif gpus and use_gpus([model]) and workers > len(gpus):
            option = f"-n{len(gpus)} or -n auto"
            available = "1 GPU" if len(gpus) == 1 else f"{len(gpus)} GPUs"
            subject = f"{VISIBLE_DEVICES} allows" if VISIBLE_DEVICES in os.environ else "this machine has"
        else:
            continue
        raise UserError(
            f"model {model.name}: {workers} workers, but {subject} {available}, and each worker loads the "
            f"model on its own GPU; use {option}, or --llm-device=cpu"
        )


def max_workers(model: ModelConfig, workers: int) -> int:
    """How many workers may use a model: with an API, no more than its ``concurrency``."""
    if model.backend in _API_BACKENDS and model.concurrency is not None:
        return min(workers, model.concurrency)
    return workers


def check_dist(models: Sequence[ModelConfig], workers: int, dist: str) -> None:
    """Raise ``UserError`` for an xdist ``--dist`` mode that cannot respect the session's limits."""
    if dist == "each" and workers > 1:
        raise UserError("--dist=each would send and count each question once per worker; omit it")
    for model in models:
        if dist != "load" and max_workers(model, workers) < workers:
            raise UserError(
                f"model {model.name}: with --dist={dist} each of the {workers} workers may use it, but "
                f"concurrency is {model.concurrency}; omit --dist, or use -n{model.concurrency}"
            )


def share_of(total: int, number: int, parts: int) -> int:
    """The share of ``total`` for part ``number`` (from 0) of ``parts``; all shares add up to the total."""
    return total // parts + (number < total % parts)

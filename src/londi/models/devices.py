"""Devices that models run on, by their names: which are there, and which worker or job has which.

`cpu`, `cuda:N`, and `cuda`: a GPU of its own for each worker and each job, as far as they go. This
file knows no model, and no worker. torch is imported where it is asked, so that a process learns
its GPU before.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Collection, Sequence
from itertools import takewhile

from londi.errors import InvalidConfig

CUDA = "cuda"
"""Name of the device that is a GPU, whichever."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable with the GPUs that a process may use; CUDA counts them from 0 in it."""

_GPU = re.compile(r"\d+|(GPU|MIG)-.+")


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, by the names that `CUDA_VISIBLE_DEVICES` takes."""
    if VISIBLE not in os.environ:
        import torch

        return [str(k) for k in range(torch.cuda.device_count())]
    names = (name.strip() for name in os.environ[VISIBLE].split(","))
    return list(takewhile(_GPU.fullmatch, names))  # as CUDA, which sees none behind a wrong one


def deal_gpus(devices: Collection[str], gpus: Sequence[str], jobs: int) -> list[str]:
    """The GPU of each of several jobs, in turns: jobs beyond the number of GPUs share them.

    Args:
        devices: of the models of all that the jobs do.
        gpus: those that there are (`visible_gpus`).
        jobs: how many there are.

    Returns:
        A GPU for each job; an empty name where a job keeps to what the devices say, because there
        are no GPUs, none is used, or one is named by its number.
    """
    if not gpus or set(devices) - {"cpu"} != {CUDA}:
        return [""] * jobs
    return [gpus[job % len(gpus)] for job in range(jobs)]


def worker_device(device: str, place: int, gpus: int | None = None) -> str:
    """The device of the worker in a place: the GPUs in turns where it is `cuda`, else as it is.

    Args:
        device: as it was set.
        place: of the worker, from 0 on.
        gpus: how many this process has; None to look.
    """
    if device != CUDA:
        return device
    if gpus is None:
        gpus = len(visible_gpus())
    return f"{CUDA}:{place % gpus}" if gpus > 1 else device


def free_gpus() -> None:
    """Give back the GPU memory of models that are no longer used, for other processes."""
    import torch

    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()
        torch.cuda.empty_cache()


def check_device(name: str) -> None:
    """Check that torch can compute on the device of that name.

    Raises:
        InvalidConfig: if there is no such device here; names the nearest.
    """
    import torch

    try:
        torch.ones(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InvalidConfig(
            "device: expected one that this machine has, such as"
            f" {nearest_device(name, torch.cuda.device_count())}, got {name!r}: {reason}"
        ) from error


def nearest_device(name: str, gpus: int) -> str:
    """The device most like `name`, a wrong one, on a machine with so many GPUs."""
    # The last GPU: whoever names one that is not there most often counts from 1, or too far.
    return f"{CUDA}:{gpus - 1}" if gpus and not name.startswith("cpu") else "cpu"

"""Energy used by GPUs, from their own counters. This file knows no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from londi.errors import MissingExtra


def energy_counter(devices: Iterable[torch.device]) -> Callable[[], float]:
    """A function that returns the joules that `devices` have used since a fixed time in the past.

    The difference of two readings is the energy of everything that ran on those GPUs in between. A
    CPU counts as 0.

    Raises:
        MissingExtra: if one of them is a GPU and NVML's bindings are not installed.
    """
    gpus = [device for device in devices if device.type == "cuda"]
    if not gpus:
        return lambda: 0.0
    try:
        import pynvml
    except ImportError as error:
        raise MissingExtra("nvidia-ml-py", "gpu") from error
    pynvml.nvmlInit()
    # Not by number: NVML counts all GPUs, and torch those that CUDA_VISIBLE_DEVICES lets it see.
    uuids = [torch.cuda.get_device_properties(gpu).uuid for gpu in gpus]
    handles = [pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}") for uuid in uuids]
    read = pynvml.nvmlDeviceGetTotalEnergyConsumption
    return lambda: sum(map(read, handles)) / 1000  # from mJ

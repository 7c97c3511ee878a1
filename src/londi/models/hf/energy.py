"""Time and energy that are spent on devices, read before and after. This file knows no model."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, Self

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


class Reading(NamedTuple):
    """Amounts since a fixed time in the past.

    Attributes:
        seconds: of the clock.
        cpu_seconds: of the processor (`Usage.cpu_seconds`).
        joules: of the GPUs.
    """

    seconds: float
    cpu_seconds: float
    joules: float

    def since(self, before: Self, parts: int) -> Reading:
        """What each of so many parts took since an earlier reading."""
        return Reading(*((now - then) / parts for now, then in zip(self, before, strict=True)))


def meter(devices: Collection[torch.device]) -> Callable[[], Reading]:
    """A function that reads the clock, the processor's time and the energy.

    On a GPU the processor's time is the clock's. On a CPU it is the thread's where models run on
    one thread, since a learner may run on others meanwhile, and otherwise the process's.

    Raises:
        MissingExtra: as `energy_counter`.
    """
    energy = energy_counter(devices)
    if {device.type for device in devices} != {"cpu"}:
        return lambda: Reading(clock := time.perf_counter(), clock, energy())
    return lambda: Reading(
        time.perf_counter(),
        time.thread_time() if torch.get_num_threads() == 1 else time.process_time(),
        0.0,
    )

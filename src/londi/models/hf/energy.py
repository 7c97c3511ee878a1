"""What a GPU has used of energy, by its own counter. It knows no model."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from londi.errors import MissingExtra


def energy_counter(devices: Iterable[torch.device]) -> Callable[[], float]:
    """A function that says how many joules `devices` have used since some moment in the past.

    Read before and after a call, it gives the energy of the call, and of whatever else ran on those
    GPUs meanwhile. Of a CPU it always says 0.

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

"""What a GPU has used of energy, by its own counter. It knows no model."""

from __future__ import annotations

from collections.abc import Callable

import torch

from londi.errors import MissingExtra


def energy_counter(device: torch.device) -> Callable[[], float]:
    """A function that says how many joules `device` has used since some moment in the past.

    Read before and after a call, it gives the energy of the call, and of whatever else ran on that
    GPU meanwhile. Of a CPU it always says 0.

    Raises:
        MissingExtra: if `device` is a GPU and NVML's bindings are not installed.
    """
    if device.type != "cuda":
        return lambda: 0.0
    try:
        import pynvml
    except ImportError as error:
        raise MissingExtra("nvidia-ml-py", "gpu") from error
    pynvml.nvmlInit()
    # Not by number: NVML counts all GPUs, and torch those that CUDA_VISIBLE_DEVICES lets it see.
    uuid = torch.cuda.get_device_properties(device).uuid
    handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    return lambda: float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000  # from mJ

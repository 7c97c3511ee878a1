"""Settings of workers on Ray: where they are, and what each of them takes.

They change where the work is done, and nothing of what comes of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from londi.config.base import INF, Settings, check
from londi.errors import InvalidConfig

_ADDRESS = re.compile(r"local|auto|[\w.-]+:\d+|\[[\da-fA-F:]+\]:\d+")


@dataclass(frozen=True)
class RayConfig(Settings):
    """Workers on Ray."""

    ray: str = ""
    """Run the workers on Ray (`pip install 'londi[ray]'`): `local` starts it on this machine for
    this command, `auto` finds the cluster that this machine belongs to, HOST:PORT is the address of
    one. It changes where the work is done, and nothing of the result."""
    ray_cpus: float = 1.0
    """Processor cores that Ray sets aside for each worker."""
    ray_gpus: float | Literal["auto"] = "auto"
    """GPUs that Ray sets aside for each worker; with 0.5, two workers share one. `auto` is 1 where
    `--device` begins with cuda, and otherwise 0."""
    ray_timeout: float = 600.0
    """Seconds without news from a worker, after which it is replaced and its episodes are begun
    again. Longer than models take to load, and than an episode takes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ray and not _ADDRESS.fullmatch(self.ray):
            raise InvalidConfig(f"ray: expected local, auto or HOST:PORT, got {self.ray!r}")
        check(self, ray_cpus=(0, 1024), ray_timeout=(1e-3, INF))
        if not isinstance(self.ray_gpus, str):
            check(self, ray_gpus=(0, 1024))

    def gpus(self, device: str) -> float:
        """GPUs that each worker takes whose models run on this device."""
        if not isinstance(self.ray_gpus, str):
            return self.ray_gpus
        return 1.0 if device.startswith("cuda") else 0.0

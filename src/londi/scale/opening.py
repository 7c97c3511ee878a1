"""Workers where a command asks for them; Ray is imported only if it does.

This file knows places, and not how work is done there.
"""

from __future__ import annotations

from collections.abc import Callable

from londi.config.ray import RayConfig
from londi.errors import InvalidConfig
from londi.scale.workers import Context, LocalWorkers, Workers


def on_ray(ray: RayConfig | None) -> bool:
    """Whether workers are on Ray."""
    return ray is not None and bool(ray.ray)


def check_loadable(brought: bool, count: int, ray: RayConfig | None) -> None:
    """Refuse several workers for models that were brought as objects.

    Raises:
        InvalidConfig: if others than this process would have to have them.
    """
    if brought and (count > 1 or on_ray(ray)):
        raise InvalidConfig("workers: expected models that workers can load by name, got objects")


def open_workers(
    make: Callable[[int], Context],
    count: int,
    ray: RayConfig | None = None,
    *,
    device: str = "cpu",
    end: Callable[[Context], None] = lambda _: None,
    first: Context | None = None,
) -> Workers[Context]:
    """Workers in this process, or on Ray.

    Args:
        make: makes the context of the worker in a place, where that worker is.
        count: how many there are.
        ray: settings of Ray; None or an empty address for this process.
        device: of the workers' models, by which Ray gives them GPUs.
        end: ends a context.
        first: the context of the first worker in this process; it is left as it is.

    Raises:
        MissingExtra: if Ray is not installed.
        LondiError: if there is no cluster.
    """
    if ray is None or not on_ray(ray):
        return LocalWorkers(make, count, end, first)
    from londi.scale.actors import RayWorkers

    return RayWorkers(make, count, end, ray, ray.gpus(device))

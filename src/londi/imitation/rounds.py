"""Further rounds of demonstrations: the model plays and the expert labels (DAgger).

This file knows how a round is shared among workers, and nothing of training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from londi.config import FinetuneConfig
from londi.config.ray import RayConfig
from londi.envs.seeds import demonstration_seeds
from londi.imitation.demonstrations import Demonstration, collect
from londi.models.devices import worker_device
from londi.models.hf.transformer import TransformerModel
from londi.models.registry import load_transformer
from londi.scale.opening import on_ray, open_workers
from londi.scale.workers import shares, sizes

OnEpisodes = Callable[[str, int, int], None]
"""Told of a stage, of how many of its episodes are played, and of how many there are."""

Files = dict[str, bytes]
"""A saved model, by the names of its files: workers need no folder in common."""


def own_states(
    lm: TransformerModel,
    config: FinetuneConfig,
    number: int,
    on_episodes: OnEpisodes,
    ray: RayConfig | None = None,
) -> list[Demonstration]:
    """The episodes of a further round, in a stretch for each worker, each in the order of its end.

    Args:
        lm: plays them.
        config: the settings.
        number: of the round, from 1 on.
        on_episodes: told of every episode.
        ray: where the workers are; None for this process.
    """
    seeds = demonstration_seeds(config.seed, number, config.round_episodes)
    parts = shares(seeds, config.round_workers)
    units = list(zip(parts, sizes(config.num_envs, len(parts)), strict=True))
    alone = len(parts) == 1 and not on_ray(ray)
    files = {} if alone else _files(lm)
    make = partial(_load, files, config.device, torch.get_num_threads())
    found: list[list[Demonstration]] = [[] for _ in parts]
    opened = open_workers(make, len(parts), ray, device=config.device, first=lm)
    with closing(opened) as workers:
        played = workers.stream(partial(_play, config), units)
        for done, (place, episode) in enumerate(played, 1):
            found[place].append(episode)
            on_episodes("playing", done, len(seeds))
    return [episode for part in found for episode in part]


def _play(
    config: FinetuneConfig, lm: TransformerModel, seeds: Sequence[int], parallel: int
) -> Iterator[Demonstration]:
    return collect(
        config.env,
        seeds,
        lambda prompts: [reply.action for reply in lm.act(prompts)],
        expert_share=config.round_expert_share,
        parallel=parallel,
        options=config.env_options,
    )


def _files(lm: TransformerModel) -> Files:
    with TemporaryDirectory() as folder:
        lm.save(Path(folder))
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def _load(files: Files, device: str, threads: int, place: int) -> TransformerModel:
    torch.set_num_threads(threads)  # sums in another order are other sums
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        return load_transformer(folder, backend="torch", device=worker_device(device, place))

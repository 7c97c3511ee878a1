"""Logged steps as a dataset of Minari, which other libraries of offline learning read, and back.

A session is an episode, and g its action. This file knows Minari and the columns of traces. It does
not know what is learned from the steps.

The folder holds `data`, as Minari's own folders do. Observations are features; behind the last one
stands a row of zeros, since nobody sees what follows a session. `infos` has a row more than there
are steps as well: propensities (NaN where nobody knows them), which choices were allowed, money,
and the names of session and arm as JSON, which no odd character can break.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from londi.encoders.base import Encoder
from londi.encoders.text import TextEncoder
from londi.envs.prompt import Prompt
from londi.errors import DamagedFile, InvalidConfig, LondiError
from londi.learning.dataset import OfflineDataset
from londi.serve.logged import TraceLog, read_log
from londi.storage.atomic import check_free, replacing_folder
from londi.storage.trace_tables import Row
from londi.storage.traces import as_json, read_traces, write_traces
from londi.switching.observation import CONTEXT, ObservationLayout
from londi.types import Array, Reply

NAME = "minari"
DATA = "data"
"""The folder inside of a dataset's, by Minari's rule."""
_OURS = "londi"
"""Key of what we add to the metadata."""
_DATASET = re.compile(r"[-\w]*\w-v\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Written:
    """What an export or an import has written.

    Attributes:
        sessions: their number.
        steps: of all of them.
        left_out: sessions that cannot be learned from.
    """

    sessions: int
    steps: int
    left_out: int = 0


def export_minari(traces: Path, out: Path, overwrite: bool = False) -> Written:
    """Write the logged steps of traces as a dataset of Minari, all or nothing.

    Features are those that were written down, where one encoder made them all, and else the
    `text` encoder's.

    Args:
        traces: what is read.
        out: the folder; `minari.load_dataset` finds it by its name where that ends in `-v0` or
            another version.
        overwrite: replace `out` if it is there.

    Raises:
        LondiError: if `traces` cannot be read, or hold nothing to learn from.
        OutputExists: if `out` exists and may not be replaced.
    """
    _needed()
    check_free(out, overwrite)
    encoder = _encoder(traces)
    log = read_log(traces, encoder)
    with replacing_folder(out) as part:
        name = out.name if _DATASET.fullmatch(out.name) else "londi-traces-v0"
        write_dataset(log, encoder.spec, part / DATA, name)
    return Written(len(log.sessions), len(log.steps.choice), log.left_out.total())


def write_dataset(log: TraceLog, encoder: str, data: Path, name: str = "londi-traces-v0") -> None:
    """Write logged steps into the data folder of a new dataset.

    Args:
        log: the steps.
        encoder: how the encoder of their features can be made again.
        data: the folder; made.
        name: of the dataset.
    """
    import minari
    from gymnasium.spaces import Box, Discrete
    from minari.dataset.minari_storage import MinariStorage

    size = log.steps.observation.shape[1]
    storage = MinariStorage.new(
        data,
        observation_space=Box(-np.inf, np.inf, (size,), np.float32),
        action_space=Discrete(2),
    )
    storage.update_metadata(
        {
            "dataset_id": name,
            "minari_version": minari.__version__,
            "description": "Choices between a small and a large language model, from traces.",
            _OURS: {"encoder": encoder, "candidates": list(log.models)},
        }
    )
    storage.update_episodes(_episodes(log))


def import_minari(
    folder: Path, out: Path, *, candidates: Sequence[str] = (), overwrite: bool = False
) -> Written:
    """Write a dataset of Minari as a new file of traces, all or nothing.

    Args:
        folder: what an export has written, or a dataset that was made of such ones.
        out: the file of traces.
        candidates: names of QUICK and DEEPTHINK, where the dataset does not tell them.
        overwrite: replace `out` if it is there.

    Raises:
        LondiError: if there is no such folder.
        DamagedFile: if it holds another kind of data.
        InvalidConfig: if nobody says which models the choices are between.
        OutputExists: if `out` exists and may not be replaced.
    """
    _needed()
    check_free(out, overwrite)
    log, encoder = read_dataset(folder, candidates)
    write_traces(out, _rows(log, encoder))
    return Written(len(log.sessions), len(log.steps.choice))


def read_dataset(folder: Path, candidates: Sequence[str] = ()) -> tuple[TraceLog, str]:
    """The logged steps of a dataset of Minari, and how their encoder can be made again.

    Raises:
        LondiError: as of `import_minari`.
    """
    import minari

    data = folder / DATA if (folder / DATA).is_dir() else folder
    if not data.is_dir():
        raise LondiError(f"there is no folder {str(folder)!r}")
    try:
        dataset = minari.MinariDataset(data)
        told = dict(dataset.storage.metadata.get(_OURS, {}))
        episodes = list(dataset.iterate_episodes())
    except Exception as error:  # Minari and HDF5 raise whatever they meet, asserts among it
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedFile(f"{str(folder)!r} holds no dataset of Minari: {reason}") from error
    models = tuple(map(str, told.get("candidates", candidates)))
    if len(models) != 2:
        raise InvalidConfig(
            f"--quick: expected the names of QUICK and DEEPTHINK, since {str(folder)!r} does not"
            " tell them"
        )
    try:
        return _log(episodes, (models[0], models[1])), str(told.get("encoder", TextEncoder.spec))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFile(
            f"{str(folder)!r}: expected a dataset that londi has exported, with the infos"
            f" propensity, allowed, money, session and arm; {type(error).__name__}: {error}"
        ) from error


def _needed() -> None:
    """Import what the extra brings, before anything is read or written.

    Minari says of h5py what to install for itself, and of Pillow nothing.
    """
    import h5py  # noqa: F401
    import minari  # noqa: F401
    import PIL  # noqa: F401


def _episodes(log: TraceLog) -> Iterator[Any]:
    from minari.data_collector import EpisodeBuffer

    steps = log.steps
    first = np.flatnonzero(steps.begins)
    for k, (start, end) in enumerate(zip(first, [*first[1:], len(steps.choice)], strict=True)):
        here, count = slice(start, end), end - start
        truncated = np.zeros(count, bool)
        truncated[-1] = not steps.terminated[end - 1]
        yield EpisodeBuffer(
            id=k,
            observations=np.append(
                steps.observation[here], steps.next_observation[end - 1 : end], axis=0
            ),
            actions=steps.choice[here].astype(np.int64),
            rewards=steps.reward[here],
            terminations=steps.terminated[here],
            truncations=truncated,
            infos={
                "propensity": np.append(steps.propensity[here].astype(float), np.nan),
                "allowed": np.append(steps.allowed[here], [[True, True]], axis=0),
                "money": np.append(log.money[here].astype(float), np.nan),
                "session": [json.dumps(log.sessions[k])] * (count + 1),
                "arm": [json.dumps(log.arms[k])] * (count + 1),
            },
        )


def _log(episodes: Sequence[Any], models: tuple[str, str]) -> TraceLog:
    """Episodes of Minari as logged steps.

    Raises:
        LookupError, TypeError, ValueError or AttributeError: if they are of another kind.
    """
    if not episodes:
        raise ValueError("it has no episodes")
    infos = [one.infos for one in episodes]
    seen = [_of_shape(one.observations, len(one) + 1, np.float32, 2) for one in episodes]
    choice = np.concatenate([_of_shape(one.actions, len(one), np.int64) for one in episodes])
    if not np.isin(choice, (0, 1)).all():
        raise ValueError("actions are 0 or 1")
    lengths = [len(one) for one in episodes]
    names = [_name(info["session"]) for info in infos]
    sessions = tuple(name for name in names if name is not None)
    if len(set(sessions)) < len(episodes):
        raise ValueError("each session has a name of its own")

    def told(name: str, kind: Any, axes: int = 1) -> Array:
        pairs = zip(infos, lengths, strict=True)
        return np.concatenate([_of_shape(info[name], n + 1, kind, axes)[:-1] for info, n in pairs])

    steps = OfflineDataset(
        episode=np.repeat(np.arange(len(episodes)), lengths),
        observation=np.concatenate([rows[:-1] for rows in seen]),
        choice=choice,
        propensity=told("propensity", float),
        reward=np.concatenate([np.asarray(one.rewards, np.float32) for one in episodes]),
        next_observation=np.concatenate([rows[1:] for rows in seen]),
        terminated=np.concatenate([np.asarray(one.terminations, bool) for one in episodes]),
        allowed=told("allowed", bool, 2),
        agreement=np.full(len(choice), np.nan),  # it holds no shadow answers
    )
    if not np.isfinite(steps.reward).all():
        raise ValueError("rewards are finite")
    return TraceLog(
        steps,
        told("money", float),
        sessions,
        tuple(_name(info["arm"]) for info in infos),
        models,
        Counter(),
    )


def _of_shape(values: Any, rows: int, kind: Any, axes: int = 1) -> Array:
    found: Array = np.asarray(values).astype(kind, casting="same_kind")
    if found.ndim != axes or len(found) != rows:
        raise ValueError(f"expected {rows} rows of {axes} axes, got shape {found.shape}")
    return found


def _name(texts: Any) -> str | None:
    """The name that a column of an episode repeats; None for null."""
    text = texts[0]
    name = json.loads(text)
    if name is not None and not isinstance(name, str):
        raise ValueError(f"expected a name, got {text!r}")
    return name


def _rows(log: TraceLog, encoder: str) -> Iterator[tuple[str, Row]]:
    """The rows of logged steps, each with the name of its table.

    All that comes with the last step becomes the feedback of the whole session.
    """
    steps = log.steps
    first = np.flatnonzero(steps.begins)
    for start, end, session, arm in zip(
        first, [*first[1:], len(steps.choice)], log.sessions, log.arms, strict=True
    ):
        for k, row in enumerate(range(start, end)):
            forced = not steps.allowed[row].all()
            yield (
                "steps",
                {
                    "session": session,
                    "step": k,
                    "candidates": as_json(log.models),
                    "choice": int(steps.choice[row]),
                    "propensity": _known(steps.propensity[row]),
                    "reason": "budget" if forced else "policy",
                    "arm": arm,
                    "observation": steps.observation[row].astype("<f4").tobytes(),
                    "encoder": encoder,
                    "model": log.models[int(steps.choice[row])],
                    "money": _known(log.money[row]),
                },
            )
            if row == end - 1 or steps.reward[row]:
                step = None if row == end - 1 else k
                value = float(steps.reward[row])
                yield "feedback", {"session": session, "step": step, "time": 0.0, "value": value}


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None


class _Stored(Encoder):
    """The encoder of features that were written down; it makes none."""

    def __init__(self, spec: str, size: int) -> None:
        self.spec, self.size = spec, size

    def encode(self, prompts: Sequence[Prompt], replies: Sequence[Reply]) -> Array:
        raise InvalidConfig(f"encoder: expected all features of {self.spec!r} in the traces")


def _encoder(traces: Path) -> Encoder:
    """The one encoder that made all features of the traces, and else the text encoder."""
    made = {
        (row["encoder"], len(row["observation"] or b"") // 4)
        for row in read_traces(traces, "steps")
    }
    if len(made) == 1:
        spec, size = made.pop()
        if spec is not None and size >= ObservationLayout(0).size:
            return _Stored(spec, size - CONTEXT)
    return TextEncoder()

"""The two models that a run was made with, by name and fingerprint, in a file of its folder.

A later command plays with the same models or refuses. This file knows fingerprints, and nothing
of what a run does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from londi.errors import LondiError
from londi.models.base import LanguageModel
from londi.storage.atomic import write_whole
from londi.storage.records import read_record

if TYPE_CHECKING:  # it imports torch, which an exported Switcher does without
    from londi.models.pair import ModelPair

MODELS = "models.json"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model as it played.

    Attributes:
        name: how the user named it.
        fingerprint: equal only if every answer is equal; None where answers are drawn.
    """

    name: str
    fingerprint: str | None

    @classmethod
    def of(cls, model: LanguageModel) -> ModelIdentity:
        # The library that computes the answers changes them by rounding only: a run may be
        # evaluated on a machine that has another one.
        digest = None if model.fingerprint is None else model.fingerprint.partition("+")[0]
        return cls(model.name, digest)


@dataclass(frozen=True, slots=True)
class ModelsUsed:
    """The two models of a run."""

    quick: ModelIdentity
    deepthink: ModelIdentity

    @classmethod
    def of(cls, pair: ModelPair) -> ModelsUsed:
        return cls(ModelIdentity.of(pair.quick), ModelIdentity.of(pair.deepthink))


def write_provenance(folder: Path, pair: ModelPair) -> None:
    """Write down which models the run in `folder` is made with."""
    write_whole(folder / MODELS, [json.dumps(asdict(ModelsUsed.of(pair)), indent=1) + "\n"])


def check_provenance(folder: Path, pair: ModelPair) -> None:
    """Refuse models other than those that the run in `folder` was made with.

    Runs of release 0.1 have no such file, and are not checked.

    Raises:
        LondiError: if a fingerprint differs, or the file is damaged.
    """
    file = folder / MODELS
    if not file.is_file():
        return
    made, now = read_record(file, ModelsUsed), ModelsUsed.of(pair)
    for before, after in ((made.quick, now.quick), (made.deepthink, now.deepthink)):
        if before.fingerprint != after.fingerprint:
            raise LondiError(
                f"the run in {str(folder)!r} was made with the model {before.name!r}, and"
                f" {after.name!r} is another one now: its weights or settings differ"
            )

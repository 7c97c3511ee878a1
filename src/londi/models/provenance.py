"""The two models that a run was made with, by name and fingerprint, in a file of its folder.

A later command plays with the same models or refuses. This file knows fingerprints, and nothing
of what a run does.
"""

from __future__ import annotations

import json
from pathlib import Path

from londi.errors import LondiError
from londi.models.pair import ModelPair
from londi.storage.atomic import write_whole

MODELS = "models.json"


def write_provenance(folder: Path, pair: ModelPair) -> None:
    """Write down which models the run in `folder` is made with."""
    rows = {
        role: {"name": model.name, "fingerprint": model.fingerprint}
        for role, model in (("quick", pair.quick), ("deepthink", pair.deepthink))
    }
    write_whole(folder / MODELS, [json.dumps(rows, indent=1) + "\n"])


def check_provenance(folder: Path, pair: ModelPair) -> None:
    """Refuse models other than those that the run in `folder` was made with.

    Runs of release 0.1 have no such file, and are not checked.

    Raises:
        LondiError: if a fingerprint differs, or the file is damaged.
    """
    file = folder / MODELS
    if not file.is_file():
        return
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        made = {role: (rows[role]["name"], rows[role]["fingerprint"]) for role in rows}
        pairs = [(made["quick"], pair.quick), (made["deepthink"], pair.deepthink)]
    except (ValueError, TypeError, KeyError) as error:
        raise LondiError(f"{str(file)!r} is damaged: expected two models") from error
    for (name, fingerprint), model in pairs:
        if fingerprint != model.fingerprint:
            raise LondiError(
                f"the run in {str(folder)!r} was made with the model {name!r}, which is another"
                f" one than {model.name!r} now: their weights or settings differ"
            )

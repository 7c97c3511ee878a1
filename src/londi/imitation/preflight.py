"""Checks of a training's settings that need the folders, the libraries or the device.

They come before anything is played or written; what a setting alone can show is checked by
`londi.config`. This file knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Regex

from londi.config import FinetuneConfig
from londi.errors import InvalidConfig
from londi.imitation.demonstrations import demonstrations_file
from londi.models.devices import check_device
from londi.storage.runs import is_free, read_run


def check_folders(config: FinetuneConfig, folder: Path, overwrite: bool) -> None:
    """Check that the folder of the run can be written, and that of borrowed demonstrations read.

    Raises:
        LondiError: if not.
    """
    is_free(folder, FinetuneConfig, overwrite)
    if config.demonstrations:
        _check_lender(config, folder)


def check_machine(config: FinetuneConfig) -> None:
    """Check that the device and the tokenizer's library take the settings.

    Raises:
        InvalidConfig: if not.
    """
    if not (config.base and config.device == "auto"):
        check_device(config.device)
    check_phrases(config.phrases)


def check_phrases(phrases: Sequence[str]) -> None:
    """Check that the tokenizer's library can read these regular expressions.

    Raises:
        InvalidConfig: if one is no regular expression; names it.
    """
    for phrase in phrases:
        try:
            Regex(phrase)
        except Exception as error:  # the library raises nothing narrower
            reason = " ".join(str(error).split())
            raise InvalidConfig(
                f"phrases: expected regular expressions, got {phrase!r}: {reason}"
            ) from error


def _check_lender(config: FinetuneConfig, folder: Path) -> None:
    """Refuse borrowed demonstrations other than those which `config` would have recorded."""
    if not config.demonstrations:
        return
    lender = Path(config.demonstrations)
    recorded = read_run(lender, FinetuneConfig)
    for name in ("env", "env_options", "seed", "episodes", "noise"):
        wanted, found = getattr(config, name), getattr(recorded, name)
        if wanted != found:
            raise InvalidConfig(
                f"demonstrations: expected a run with {name} = {wanted!r}, got {found!r} in"
                f" {str(lender)!r}"
            )
    if lender.resolve() == folder.resolve():
        raise InvalidConfig(f"demonstrations: expected another run's, got {str(lender)!r} itself")
    if not demonstrations_file(lender, 0).is_file():
        raise InvalidConfig(f"demonstrations: the run in {str(lender)!r} has recorded none yet")

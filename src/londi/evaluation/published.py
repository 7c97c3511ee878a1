"""A published Switcher: a folder or a repository of the Hugging Face Hub, with a model card.

It holds the configuration, the Switcher's checkpoint, the same as one file of ONNX, and the figures
if there are any: safetensors, ONNX, JSON and YAML, and `londi.json` with the digest of each. What
is pulled is checked against the digests, and there whole or not at all. This file knows which files
a Switcher is made of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from londi.config import TrainConfig
from londi.errors import DamagedFile, InvalidConfig, LondiError
from londi.evaluation.operating_point import OPERATING
from londi.models.provenance import MODELS
from londi.storage.hub import HubRepository
from londi.storage.paths import as_path
from londi.storage.records import read_record
from londi.storage.runs import CONFIG, create_run, making_run, read_run
from londi.switching.exported import ExportedGraph, ExportedSwitcher
from londi.switching.switcher import CHECKPOINT

if TYPE_CHECKING:  # it imports torch, which pulling does without
    from londi.models.pair import ModelPair

CARD = "README.md"
"""The model card; anybody may edit it, so it has no digest."""
MANIFEST = "londi.json"
SWITCHER = "switcher.onnx"
RESULTS = "results.json"
STATE = tuple(f"{CHECKPOINT}/state.{ending}" for ending in ("json", "safetensors"))
NEEDED = (CONFIG, SWITCHER, *STATE)
FILES = (*NEEDED, MODELS, RESULTS, f"{CHECKPOINT}/{OPERATING}")
"""All files that a published Switcher may have, beside manifest and card; no other one is read."""
FORMAT = 1
"""Version of the manifest."""
_LOGIN = re.compile("://[^/]*@")


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file of a published Switcher.

    Attributes:
        bytes: its size.
        sha256: in hexadecimal digits.
    """

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a published Switcher.

    Attributes:
        format: version of this record.
        londi: the release that wrote it.
        files: by name, with slashes.
    """

    format: int
    londi: str
    files: dict[str, FileDigest]


@dataclass(frozen=True, slots=True)
class Published:
    """A Switcher that was pushed or pulled.

    Attributes:
        switcher: what its exported file says.
        commit: of the repository; empty for a folder.
        bytes: sum of its files' sizes.
    """

    switcher: ExportedSwitcher
    commit: str
    bytes: int


def push_folder(
    run: Path, folder: Path, *, overwrite: bool = False, pair: ModelPair | None = None
) -> Published:
    """Publish the Switcher of a run as a folder, whole or not at all.

    Args:
        run: the folder of a training that has ended.
        folder: where to.
        overwrite: replace an earlier Switcher that is there.
        pair: models and environment in place of those that the run names.

    Raises:
        OutputExists: if something is there that may not be replaced.
        LondiError: if there is no such Switcher, it cannot be exported, or the folder not written.
    """
    with making_run(folder, TrainConfig, overwrite) as aside:
        return _write(run, aside, pair)


def push(
    run: Path,
    name: str,
    *,
    public: bool = False,
    overwrite: bool = False,
    pair: ModelPair | None = None,
) -> Published:
    """Publish the Switcher of a run in a repository of the Hub, in one commit.

    The environment variable `HF_TOKEN` holds the token.

    Args:
        run: the folder of a training that has ended.
        name: the repository, ``owner/name``; made if there is none.
        public: whether everybody may read a new repository.
        overwrite: replace the files that are there.
        pair: models and environment in place of those that the run names.

    Raises:
        OutputExists: if there are files that may not be replaced.
        LondiError: if there is no such Switcher, it cannot be exported, or the repository not
            written.
    """
    repository = HubRepository(name)
    repository.check_free(overwrite)  # before the models are loaded
    with TemporaryDirectory() as made:
        folder = Path(made)
        written = _write(run, folder, pair)
        commit = repository.write(
            folder,
            [file for file in (*FILES, MANIFEST, CARD) if (folder / file).is_file()],
            known=FILES,
            message=f"Switcher of londi {version('londi')}",
            public=public,
            overwrite=overwrite,
        )
    return replace(written, commit=commit)


def pull(source: str, folder: Path, *, revision: str = "", overwrite: bool = False) -> Published:
    """Fetch a published Switcher, whole or not at all.

    Args:
        source: a folder, or else a repository of the Hub.
        folder: where to; it is then the folder of a run.
        revision: branch, tag or commit of a repository; by default the newest commit.
        overwrite: replace an earlier Switcher that is there.

    Raises:
        OutputExists: if something is there that may not be replaced.
        DamagedFile: if a file differs from its digest, or is none of a Switcher.
        LondiError: if there is no such Switcher, or the folder cannot be written.
    """
    with making_run(folder, TrainConfig, overwrite) as aside:
        read, commit = _reader(source, revision)
        where = source if not commit else f"{source}@{commit[:12]}"
        (aside / MANIFEST).write_bytes(read(MANIFEST))
        manifest = _manifest(aside / MANIFEST, where)
        for name, digest in manifest.files.items():
            content = read(name)
            if digest != _digest(content):
                raise DamagedFile(f"{where}: {name} is damaged: it differs from its digest")
            (aside / name).parent.mkdir(exist_ok=True)
            (aside / name).write_bytes(content)
        switcher = _checked(aside, where)
        with suppress(DamagedFile):  # it may have been removed
            (aside / CARD).write_bytes(read(CARD))
        return Published(switcher, commit, sum(one.bytes for one in manifest.files.values()))


def _write(run: Path, folder: Path, pair: ModelPair | None) -> Published:
    """Write all files of the Switcher in `run` into an empty folder."""
    from londi.evaluation.card import model_card
    from londi.evaluation.evaluate import read_results
    from londi.evaluation.export import export
    from londi.storage.checkpoint import load_state, save_state

    training = read_run(run, TrainConfig)
    state = load_state(run / CHECKPOINT, {"switcher": dict, "step": int})
    if set(state) != {"switcher", "step"}:
        raise LondiError(
            f"the training in {str(run)!r} has not ended; londi train --resume goes on with it"
        )
    for key in ("quick", "deepthink"):
        if _LOGIN.search(getattr(training, key)):
            raise LondiError(
                f"{key}: expected an address without a login, which would be published"
            )
    # The answers of the models are no part of it, and where they lie is nobody's business.
    create_run(folder, replace(training, cache=TrainConfig.cache))
    save_state(folder / CHECKPOINT, state)
    switcher = export(run, folder / SWITCHER, pair=pair)
    for name in FILES:
        if (run / name).is_file() and not (folder / name).exists():
            (folder / name).write_bytes((run / name).read_bytes())
    there = [name for name in FILES if (folder / name).is_file()]
    files = {name: _digest((folder / name).read_bytes()) for name in there}
    manifest = Manifest(FORMAT, version("londi"), files)
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")
    results = read_results(run) if RESULTS in files else []
    (folder / CARD).write_text(model_card(training, switcher, results), encoding="utf-8")
    return Published(switcher, "", sum(one.bytes for one in files.values()))


def _reader(source: str, revision: str) -> tuple[Callable[[str], bytes], str]:
    """What reads a file of `source` by its name, and the commit that it reads at."""
    folder = as_path(source)
    if not folder.is_dir():
        repository = HubRepository(source)
        commit = repository.commit(revision)
        return lambda name: repository.read(name, commit), commit
    if revision:
        raise InvalidConfig(f"revision: expected none of the folder {source!r}, got {revision!r}")

    def read(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except OSError as error:
            raise DamagedFile(f"{source!r} has no file {name!r} to read") from error

    return read, ""


def _manifest(file: Path, where: str) -> Manifest:
    """The manifest, whose names are those of a Switcher and no others."""
    try:
        manifest = read_record(file, Manifest)
    except DamagedFile as error:
        raise DamagedFile(f"{where}: {MANIFEST} is none of `londi push`") from error
    if manifest.format != FORMAT:
        raise DamagedFile(
            f"{where}: expected format {FORMAT}, got {manifest.format} of londi {manifest.londi}"
        )
    if strange := sorted(set(manifest.files) - set(FILES)):
        raise DamagedFile(f"{where}: expected files of a Switcher alone, got {strange[0]!r}")
    if missing := [name for name in NEEDED if name not in manifest.files]:
        raise DamagedFile(f"{where}: {MANIFEST} lacks {missing[0]!r}")
    return manifest


def _checked(folder: Path, where: str) -> ExportedSwitcher:
    """What the exported file says; refuses a Switcher that could not be used, or should not."""
    try:
        training = read_run(folder, TrainConfig)
    except LondiError as error:  # the folder that it names is gone when this is read
        raise DamagedFile(f"{where}: {str(error).replace(f'{folder}/', '')}") from error
    switcher = ExportedGraph((folder / SWITCHER).read_bytes(), f"{where}: {SWITCHER}").made
    if training.cache != TrainConfig.cache:
        # Whoever wrote it would be sent the password of one's own cache, or choose a file to open.
        raise DamagedFile(f"{where}: {CONFIG}: expected the default cache, got another one")
    return switcher


def _digest(content: bytes) -> FileDigest:
    return FileDigest(len(content), sha256(content).hexdigest())

"""A content-addressed cache of language-model answers that lasts across runs.

Greedy models are deterministic, so (model fingerprint, prompt) decides the answer. Answers of this
process are kept in memory and written to one SQLite file at `commit`, never in between: a killed
run leaves the file as of its last checkpoint, which is what a resumed run needs to repeat itself.
This file knows nothing of switching.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from londi.envs.prompt import Prompt
from londi.errors import LondiError, ModelError
from londi.models.base import LanguageModel, ModelWrapper
from londi.models.check import check_replies
from londi.storage.sqlite import connected
from londi.types import Reply, Usage, amounts


@dataclass
class CacheStats:
    """Counts of look-ups that found an answer and of those that did not."""

    hits: int = 0
    misses: int = 0

    @property
    def rate(self) -> float:
        """Hits over look-ups; 0.0 before the first."""
        return self.hits / max(1, self.hits + self.misses)


KEPT = 10_000
"""Answers that are kept in memory beside a file: some 10 MB, however long a run is."""


class AnswerStore:
    """Answers by key, the newest in memory and all in one SQLite file.

    If the file's folder does not exist, the store only tries that it could be made, and makes it
    when it is first needed: it may be the folder of a run that is yet to be created.

    Args:
        file: the SQLite file; None keeps answers in memory only.

    Raises:
        LondiError: if the file cannot be made or opened, or holds something else.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.stats = CacheStats()
        self._known: dict[bytes, bytes] = {}
        self._new: dict[bytes, bytes] = {}
        self._db: sqlite3.Connection | None = None
        self._file = file
        if file is not None:
            try:
                if file.parent.is_dir():
                    self._open(file)
                else:
                    _try_to_make(file)
            except (OSError, ValueError, sqlite3.Error) as error:
                raise _unusable(file, error) from error

    def _open(self, file: Path) -> sqlite3.Connection:
        """The connection to the file, which is opened at the first call."""
        if self._db is None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._db = connected(file, _prepare)
        return self._db

    def get(self, key: bytes) -> bytes | None:
        """The answer under `key`, or None; counts the look-up."""
        value = self._known.get(key) or self._new.get(key)
        if value is None and self._file is not None:
            look = "SELECT value FROM answers WHERE key = ?"
            try:
                row = self._open(self._file).execute(look, (key,)).fetchone()
            except (OSError, sqlite3.Error) as error:
                raise _unusable(self._file, error) from error
            if row is not None:
                value = row[0]
                self._remember(key, value)
        if value is None:
            self.stats.misses += 1
        else:
            self.stats.hits += 1
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Keep an answer; `commit` writes it to the file."""
        self._remember(key, value)
        if self._file is not None:
            self._new[key] = value

    def _remember(self, key: bytes, value: bytes) -> None:
        """Keep an answer in memory; where it is in a file too, the oldest one gives way."""
        self._known[key] = value
        if self._file is not None and len(self._known) > KEPT:
            del self._known[next(iter(self._known))]

    def commit(self) -> None:
        """Write the answers since the last commit to the file."""
        if self._file is None or not self._new:
            return
        try:
            with self._open(self._file) as db:
                db.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", self._new.items())
        except (OSError, sqlite3.Error) as error:
            raise _unusable(self._file, error) from error
        self._new.clear()

    def close(self) -> None:
        """Commit, and close the file even if the commit fails."""
        try:
            self.commit()
        finally:
            if self._db is not None:
                self._db.close()
                self._db = None


_SCHEMA = [("key", "BLOB"), ("value", "BLOB")]


def _prepare(db: sqlite3.Connection) -> None:
    """Make the table of answers, unless the file holds something else."""
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = [(name, kind) for _, name, kind, *_ in db.execute("PRAGMA table_info(answers)")]
    if tables and columns != _SCHEMA:
        raise sqlite3.DatabaseError("it is a database of something else")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(
        "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
    )


def _try_to_make(file: Path) -> None:
    """Make a file of that name, below the nearest folder there is, and remove it again."""
    nearest = next(folder for folder in file.parents if folder.exists())
    with TemporaryDirectory(dir=nearest, prefix=".") as folder:
        trial = Path(folder) / file.relative_to(nearest)
        trial.parent.mkdir(parents=True)
        connected(trial, _prepare).close()


def _unusable(file: Path | None, error: Exception) -> LondiError:
    reason = error.strerror or error if isinstance(error, OSError) else error
    return LondiError(f"cannot use the answer cache {str(file)!r}: {reason}; try --cache none")


class CachedModel(ModelWrapper):
    """A language model that never answers the same prompt twice.

    A hit is charged the seconds and operations that the answer took when it was made.

    Args:
        model: the model; its answers must be a function of the prompt.
        store: where answers are kept.

    Raises:
        ModelError: if the model has no fingerprint.
    """

    def __init__(self, model: LanguageModel, store: AnswerStore) -> None:
        if model.fingerprint is None:
            raise ModelError(f"model {model.name!r} is not deterministic and cannot be cached")
        super().__init__(model)
        self._store = store
        self._salt = model.fingerprint

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply a prompt, in order; equal prompts of one batch are asked once."""
        keys = [self._key(prompt) for prompt in prompts]
        found: dict[bytes, bytes | None] = {key: self._store.get(key) for key in keys}
        missing = {k: p for k, p in zip(keys, prompts, strict=True) if found[k] is None}
        replies = self.inner.act(list(missing.values())) if missing else []
        for key, reply in zip(missing, replies, strict=True):
            raw = found[key] = _raw(reply)
            self._store.put(key, raw)
        try:
            answers = [_reply(found[key] or b"") for key in keys]
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(
                f"model {self.name!r}: the answer cache holds an answer that cannot be read; delete"
                " the cache's file, or use --cache none"
            ) from error
        check_replies(self, prompts, answers)
        return answers

    def _key(self, prompt: Prompt) -> bytes:
        # Prompts that differ only in observations the model does not read have one answer.
        prompt = prompt if self.history is None else prompt.recent(self.history)
        # The actions stand apart from the text, which joins them by commas: one may hold a comma.
        asked = [_FORMAT, self._salt, prompt.actions, prompt.text()]
        if prompt.chunk is not None:
            asked += [prompt.chunk.stops, prompt.chunk.tokens, prompt.chat()]
        return hashlib.sha256(json.dumps(asked).encode()).digest()


_FORMAT = 3
"""Version of the bytes that `_raw` writes; answers of another version are not found."""

_KINDS = [type(amount) for amount in amounts(Usage())]
"""The type of each number of a `Usage`."""


def _raw(reply: Reply) -> bytes:
    """One line of JSON, then the embedding as it lies in memory."""
    # A NumPy number is none to JSON.
    numbers = (float(reply.logprob), float(reply.confidence))
    spent = [kind(amount) for kind, amount in zip(_KINDS, amounts(reply.usage), strict=True)]
    fields = (reply.action, *numbers, *spent)
    vector = b"" if reply.embedding is None else reply.embedding.astype(np.float32).tobytes()
    return json.dumps(fields).encode() + b"\n" + vector


def _reply(raw: bytes) -> Reply:
    line, _, vector = raw.partition(b"\n")
    action, logprob, confidence, *usage = json.loads(line)
    embedding = np.frombuffer(vector, np.float32) if vector else None
    return Reply(action, logprob, confidence, Usage(*usage), embedding)

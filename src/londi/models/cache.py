"""A content-addressed cache of language-model answers that lasts across runs.

Greedy models are deterministic, so (model fingerprint, prompt) decides the answer. What was
answered in this process is kept in memory and written to one SQLite file at `commit`, never
in between: a killed run leaves the file as of its last checkpoint, which is what a resumed run
needs to repeat itself. This file knows nothing of switching.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from londi.envs.prompt import Prompt
from londi.errors import LondiError, ModelError
from londi.models.base import LanguageModel, unwrap
from londi.types import Reply, Usage


@dataclass
class CacheStats:
    """How often an answer was already known."""

    hits: int = 0
    misses: int = 0

    @property
    def rate(self) -> float:
        """Hits over look-ups; 0.0 before the first."""
        return self.hits / max(1, self.hits + self.misses)


class AnswerStore:
    """Answers by key, in memory and in one SQLite file.

    Args:
        file: the SQLite file; None keeps answers in memory only.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.stats = CacheStats()
        self._known: dict[bytes, bytes] = {}
        self._new: dict[bytes, bytes] = {}
        self._db: sqlite3.Connection | None = None
        self._file = file
        if file is not None:
            nearest = next(folder for folder in file.parents if folder.exists())
            # What cannot be used is refused before anything is spent.
            if nearest == file.parent or not nearest.is_dir():
                self._open(file)

    def _open(self, file: Path) -> sqlite3.Connection:
        """The file's connection.

        A folder that is not there is made when it is first needed: it may be that of a run that is
        yet to be made.
        """
        if self._db is None:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                self._db = sqlite3.connect(file, timeout=60)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, value BLOB)"
                    " WITHOUT ROWID"
                )
            except (OSError, sqlite3.Error) as error:
                if self._db is not None:
                    self._db.close()
                raise _unusable(file, error) from error
        return self._db

    def get(self, key: bytes) -> bytes | None:
        value = self._known.get(key)
        if value is None and self._file is not None:
            look = "SELECT value FROM answers WHERE key = ?"
            try:
                row = self._open(self._file).execute(look, (key,)).fetchone()
            except sqlite3.Error as error:
                raise _unusable(self._file, error) from error
            if row is not None:
                value = self._known[key] = row[0]
        if value is None:
            self.stats.misses += 1
        else:
            self.stats.hits += 1
        return value

    def put(self, key: bytes, value: bytes) -> None:
        self._known[key] = value
        if self._file is not None:
            self._new[key] = value

    def commit(self) -> None:
        """Write to the file what was learned since the last commit."""
        if self._file is None or not self._new:
            return
        try:
            with self._open(self._file) as db:
                db.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", self._new.items())
        except sqlite3.Error as error:
            raise _unusable(self._file, error) from error
        self._new.clear()

    def close(self) -> None:
        """Commit and let go of the file."""
        self.commit()
        if self._db is not None:
            self._db.close()
            self._db = None


def _unusable(file: Path | None, error: Exception) -> LondiError:
    return LondiError(f"cannot use the answer cache {str(file)!r}: {error}; try --cache none")


class CachedModel:
    """A language model that never answers the same prompt twice.

    A hit is charged the seconds and operations that the answer took when it was made.
    """

    def __init__(self, model: LanguageModel, store: AnswerStore) -> None:
        if model.fingerprint is None:
            raise ModelError(f"model {model.name!r} is not deterministic and cannot be cached")
        self.inner = model
        self.name = model.name
        self._store = store
        self._salt = model.fingerprint
        self._history: int | None = getattr(unwrap(model), "history", None)

    @property
    def fingerprint(self) -> str | None:
        return self.inner.fingerprint

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply a prompt, in order; equal prompts of one batch are asked once."""
        keys = [self._key(prompt) for prompt in prompts]
        found: dict[bytes, bytes | None] = {key: self._store.get(key) for key in keys}
        missing = {k: p for k, p in zip(keys, prompts, strict=True) if found[k] is None}
        replies = self.inner.act(list(missing.values())) if missing else []
        for key, reply in zip(missing, replies, strict=True):
            raw = found[key] = _raw(reply)
            self._store.put(key, raw)
        return [_reply(found[key] or b"") for key in keys]

    def _key(self, prompt: Prompt) -> bytes:
        # What the model does not read of a prompt makes no other question.
        prompt = prompt.recent(self._history) if self._history else prompt
        # The actions apart from the text, which joins them: one may hold a comma.
        asked = json.dumps([_FORMAT, self._salt, prompt.actions, prompt.text()])
        return hashlib.sha256(asked.encode()).digest()


_FORMAT = 2
"""Of what `_raw` writes: an answer that was kept in another is not found."""


def _raw(reply: Reply) -> bytes:
    """One line of JSON, then the embedding as it lies in memory."""
    u = reply.usage
    numbers = (reply.logprob, reply.confidence, u.calls, u.tokens, u.seconds, u.flops, u.joules)
    fields = (reply.action, *map(float, numbers))
    vector = b"" if reply.embedding is None else reply.embedding.astype(np.float32).tobytes()
    return json.dumps(fields).encode() + b"\n" + vector


def _reply(raw: bytes) -> Reply:
    line, _, vector = raw.partition(b"\n")
    action, logprob, confidence, *usage = json.loads(line)
    embedding = np.frombuffer(vector, np.float32) if vector else None
    calls, tokens, *spent = usage
    return Reply(action, logprob, confidence, Usage(int(calls), int(tokens), *spent), embedding)

"""A content-addressed cache of language-model answers that lasts across runs.

Greedy models are deterministic, so (model fingerprint, prompt) decides the answer. Answers of this
process are kept in memory and written to one database at `commit`, never in between: a killed run
leaves the database as of its last checkpoint, which is what a resumed run needs to repeat itself.
This file knows nothing of switching, nor where the database is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.models.base import LanguageModel, ModelWrapper
from londi.models.check import check_replies
from londi.storage.answers.places import open_answers
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


class AnswerStore:
    """Answers by key, in memory and in one database.

    Args:
        place: where answers outlast the process, as `londi.storage.answers.places.open_answers`
            takes it; None keeps them in memory only.

    Raises:
        LondiError: if the database cannot be made or opened, or holds something else.
    """

    def __init__(self, place: str | Path | None = None) -> None:
        self.stats = CacheStats()
        self._known: dict[bytes, bytes] = {}
        self._new: dict[bytes, bytes] = {}
        self._database = None if place is None else open_answers(place)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The answers under those of `keys` that have one; counts each look-up."""
        found = {key: self._known[key] for key in keys if key in self._known}
        unknown = [key for key in dict.fromkeys(keys) if key not in found]
        if unknown and self._database:
            there = self._database.find(unknown)
            self._known |= there
            found |= there
        hits = sum(key in found for key in keys)
        self.stats.hits += hits
        self.stats.misses += len(keys) - hits
        return found

    def put(self, key: bytes, value: bytes) -> None:
        """Keep an answer; `commit` writes it to the database."""
        self._known[key] = value
        if self._database:
            self._new[key] = value

    def commit(self) -> None:
        """Write the answers since the last commit to the database; where it fails, they are kept.

        Raises:
            LondiError: if they cannot be written.
        """
        if self._database and self._new:
            self._database.add(self._new)
            self._new.clear()

    def close(self) -> None:
        """Commit, and close the database even if the commit fails."""
        try:
            self.commit()
        finally:
            if self._database:
                self._database.close()


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
        found = self._store.find(keys)
        missing = {k: p for k, p in zip(keys, prompts, strict=True) if k not in found}
        replies = self.inner.act(list(missing.values())) if missing else []
        for key, reply in zip(missing, replies, strict=True):
            raw = found[key] = _raw(reply)
            self._store.put(key, raw)
        try:
            answers = [_reply(found[key]) for key in keys]
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(
                f"model {self.name!r}: the answer cache holds an answer that cannot be read; name"
                " another --cache, or none"
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

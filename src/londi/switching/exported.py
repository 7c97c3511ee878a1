"""A Switcher in one file that needs ONNX Runtime alone: `londi export` writes it.

The graph takes observations and what is allowed, and gives the probability of a call; that of a
universal Switcher also gives the return and the calls that it expects. Its metadata say what an
observation holds and at which costs and budgets the Switcher can be asked. This file knows no
network: torch is not imported to use a Switcher.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from londi.config.kinds import Misfit, fitted
from londi.errors import InvalidConfig, LondiError, UnknownName, one_line
from londi.models.base import LanguageModel
from londi.models.provenance import ModelIdentity
from londi.types import Array

METADATA = "londi"
"""Key of the metadata in the file."""
FORMAT = 2
"""Version of the graph and its metadata."""
CALL, EXPECTED = "call_probability", "expected"
"""Outputs of the graph; the second one is a universal Switcher's."""
ONLY_UNIVERSAL = "only a universal Switcher says what it expects"


@dataclass(frozen=True, slots=True)
class ExportedSwitcher:
    """What a file says of its Switcher.

    Attributes:
        format: version of this record.
        encoder: spec of the encoder (`londi.encoders.registry.make_encoder`).
        features: numbers of the encoder, F, which an observation begins with.
        context: names of the numbers behind them.
        env: the environment of the training.
        cost: c at which it is to be played.
        budget: n at which it is to be played; None for no cap.
        cost_range: the costs it was trained for, where they are a range.
        most_budget: the largest budget it was trained for, where that is a range.
        quick, deepthink: the models it was trained with.
    """

    format: int
    encoder: str
    features: int
    context: tuple[str, ...]
    env: str
    cost: float
    budget: int | None
    cost_range: tuple[float, float] | None
    most_budget: int | None
    quick: ModelIdentity
    deepthink: ModelIdentity

    def text(self) -> str:
        """As it stands in the file."""
        return json.dumps(asdict(self))


class ExportedGraph:
    """The graph of a Switcher, ready to run.

    Args:
        graph: the file's content.
        where: the file, for messages.

    Attributes:
        made: what the file says of the Switcher.

    Raises:
        LondiError: if the graph is no Switcher.
    """

    def __init__(self, graph: bytes, where: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # it is a small network
        options.log_severity_level = 4  # a damaged file is reported below
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # whatever the library raises
            raise LondiError(f"{where} is no model in ONNX's format: {one_line(error)}") from error
        told = self._session.get_modelmeta().custom_metadata_map.get(METADATA)
        if told is None:
            raise LondiError(f"{where} is no Switcher; expected a file of `londi export`")
        try:
            self.made: ExportedSwitcher = fitted(json.loads(told), ExportedSwitcher)
        except (ValueError, Misfit, InvalidConfig, UnknownName) as error:
            raise LondiError(f"{where}: {one_line(error)}; export it anew") from error
        if self.made.format != FORMAT:
            raise LondiError(
                f"{where}: expected format {FORMAT}, got {self.made.format}; export it anew"
            )
        self._where = where

    @classmethod
    def read(cls, file: Path) -> ExportedGraph:
        """The graph in `file`.

        Raises:
            LondiError: if the file cannot be read, or holds no Switcher.
        """
        try:
            graph = file.read_bytes()
        except OSError as error:
            raise LondiError(f"cannot read {str(file)!r}: {error.strerror or error}") from error
        return cls(graph, repr(str(file)))

    def check_models(self, quick: LanguageModel | None, deepthink: LanguageModel | None) -> None:
        """Refuse models other than those of the training; None is not checked.

        Raises:
            LondiError: for such a model.
        """
        for trained, given in ((self.made.quick, quick), (self.made.deepthink, deepthink)):
            now = None if given is None else ModelIdentity.of(given)
            if now is None or now.fingerprint is None or trained.fingerprint is None:
                continue
            if now.fingerprint != trained.fingerprint:
                raise LondiError(
                    f"the Switcher in {self._where} was trained with the model {trained.name!r},"
                    f" and {now.name!r} is another one: its weights or settings differ"
                )

    def run(self, observation: Array, allowed: Array) -> Array:
        """P(g = 1) `[B]`, at observations `[B, D]`; 0 where `allowed` `[B, 2]` forbids it.

        Raises:
            InvalidConfig: if the observations are of another encoder.
        """
        return self._run(CALL, observation, allowed)

    def expect(self, observation: Array) -> Array:
        """Return and calls to come `[B, 2, 2]` for (QUICK, DEEPTHINK) and (return, calls).

        Raises:
            InvalidConfig: if the observations are of another encoder.
            LondiError: if the Switcher is no universal one.
        """
        if self.made.cost_range is None:
            raise LondiError(ONLY_UNIVERSAL)
        return self._run(EXPECTED, observation, np.ones((len(observation), 2), bool))

    def _run(self, output: str, observation: Array, allowed: Array) -> Array:
        size = self.made.features + len(self.made.context)
        if observation.ndim != 2 or observation.shape[1] != size:
            raise InvalidConfig(
                f"observation: expected {self.made.features} features of the encoder"
                f" {self.made.encoder!r} and {', '.join(self.made.context)}, [B, {size}] in all,"
                f" got {list(observation.shape)}"
            )
        given = {
            "observation": observation.astype(np.float32, copy=False),
            "allowed": allowed.astype(bool, copy=False),
        }
        (found,) = self._session.run([output], given)
        return np.asarray(found)

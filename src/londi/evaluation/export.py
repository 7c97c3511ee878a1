"""The Switcher of a run as one file in ONNX's format; `londi.switching.exported` reads it.

This file knows runs and networks.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder, make_prompt_encoder
from londi.errors import FOREIGN_ERRORS, InvalidConfig, LondiError, one_line
from londi.evaluation.operating_point import load_operating_point
from londi.evaluation.trainings import check_trained
from londi.models.hf.onnx.trace import trace
from londi.models.pair import ModelPair, load_pair
from londi.models.provenance import ModelIdentity, check_provenance
from londi.storage.atomic import check_free, replacing
from londi.storage.runs import read_run
from londi.switching.budget import Budget
from londi.switching.exported import CALL, EXPECTED, FORMAT, METADATA, ExportedSwitcher
from londi.switching.networks import masked_policy
from londi.switching.observation import CONTEXT_NAMES
from londi.switching.switcher import LearnedSwitcher, Switcher


def export(
    folder: Path, file: Path, *, overwrite: bool = False, pair: ModelPair | None = None
) -> ExportedSwitcher:
    """Write the Switcher of the run in `folder` into `file`, whole or not at all.

    A tuned Switcher is written with the cost and budget that `londi tune` chose.

    Args:
        folder: of a training.
        file: its name ends in ``.onnx``.
        overwrite: replace an earlier file.
        pair: models and environment in place of those that the run names.

    Returns:
        What the file says of the Switcher.

    Raises:
        LondiError: if there is no trained Switcher, its models are others now, it has no network
            that can be exported, or the file cannot be written.
    """
    training = load_operating_point(read_run(folder, TrainConfig), folder)
    check_trained(folder)
    if file.suffix != ".onnx":
        raise InvalidConfig(f"out: expected a file name that ends in .onnx, got {str(file)!r}")
    if not file.parent.is_dir():
        raise InvalidConfig(f"out: there is no folder {str(file.parent)!r}")
    check_free(file, overwrite)
    made_of = _of_traces if training.traces else _of_playing
    switcher, made = made_of(folder, training, pair)
    _write(switcher, made, file)
    return made


def _of_playing(
    folder: Path, training: TrainConfig, pair: ModelPair | None
) -> tuple[LearnedSwitcher, ExportedSwitcher]:
    used = pair or load_pair(training, training.seed)
    try:
        check_provenance(folder, used)
        switcher = _networks(folder, Switcher.load(folder, used.quick, used.deepthink))
        encoder = make_encoder(switcher.encoder, used.quick, used.deepthink)
        models = ModelIdentity.of(used.quick), ModelIdentity.of(used.deepthink)
        return switcher, _described(training, switcher, encoder, models, training.env)
    finally:
        if pair is None:
            used.close()


def _of_traces(
    folder: Path, training: TrainConfig, pair: ModelPair | None
) -> tuple[LearnedSwitcher, ExportedSwitcher]:
    """It learned from what models behind an API did: their names are all that is known of them."""
    switcher = _networks(folder, Switcher.load(folder))
    encoder = make_prompt_encoder(switcher.encoder)
    assert encoder is not None
    models = ModelIdentity(training.quick, None), ModelIdentity(training.deepthink, None)
    return switcher, _described(training, switcher, encoder, models, "traces")


def _networks(folder: Path, switcher: Switcher) -> LearnedSwitcher:
    if not isinstance(switcher, LearnedSwitcher):
        raise LondiError(f"the Switcher in {str(folder)!r} has no network to export")
    return switcher


def _described(
    training: TrainConfig,
    switcher: LearnedSwitcher,
    encoder: Encoder,
    models: tuple[ModelIdentity, ModelIdentity],
    env: str,
) -> ExportedSwitcher:
    supported = switcher.supported
    return ExportedSwitcher(
        format=FORMAT,
        encoder=switcher.encoder,
        features=encoder.size,
        context=CONTEXT_NAMES,
        env=env,
        cost=training.cost,
        budget=Budget.of(training).calls,
        cost_range=(supported.low, supported.high) if supported else None,
        most_budget=supported.most if supported else None,
        quick=models[0],
        deepthink=models[1],
    )


class _Decision(nn.Module):
    """P(g = 1) `[B]` from observations `[B, D]` and what is allowed `[B, 2]`.

    Where there is a value head, return and calls to come `[B, 2, 2]` stand behind it.
    """

    def __init__(self, actor: nn.Module, value_head: nn.Module | None) -> None:
        super().__init__()
        self.actor, self.value_head = actor, value_head

    def forward(self, observation: Tensor, allowed: Tensor) -> tuple[Tensor, ...]:
        call = masked_policy(self.actor(observation), allowed).probability[:, 1]
        return (call, self.value_head(observation)) if self.value_head else (call,)


def _write(switcher: LearnedSwitcher, made: ExportedSwitcher, file: Path) -> None:
    observation = torch.zeros(3, made.features + len(made.context))
    rows = {0: "B"}
    outputs = (CALL, EXPECTED) if switcher.value_head else (CALL,)
    try:
        traced = trace(
            _Decision(switcher.actor, switcher.value_head),
            (observation, torch.ones(3, 2, dtype=torch.bool)),
            {"observation": rows, "allowed": rows},
            dict.fromkeys(outputs, rows),
        )
    except FOREIGN_ERRORS as error:  # whatever the exporter or a user's network raises
        raise LondiError(f"this Switcher cannot be exported: {one_line(error)}") from error
    graph = onnx.load_model_from_string(traced)
    onnx.helper.set_model_props(graph, {METADATA: made.text()})
    with replacing(file) as aside:
        aside.write_bytes(graph.SerializeToString())

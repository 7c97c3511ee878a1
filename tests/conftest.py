"""What several test files share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis
import pytest
import torch

import londi.models.hf.onnx.backend
from londi.config import FinetuneConfig
from londi.envs.textworld.games import make_games
from londi.imitation.demonstrations import Demonstration, collect_expert
from londi.imitation.tokenizer import learn_tokenizer, new_model
from londi.models.hf.onnx.backend import Backend
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.hf.transformer import TransformerModel
from textgames import GAMES

# A loaded machine draws and runs slowly, which is no failure.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-machine")

SLOW = frozenset((Path(__file__).parent / "slow.txt").read_text(encoding="utf-8").split())
"""Tests that take more than 0.3 seconds; `scripts/slow` measures them."""

TINY = FinetuneConfig(
    env="londi/BabyAIText-GoToObjS4-v0",
    d_model=16,
    d_ff=32,
    heads=2,
    layers=2,
    decoder_layers=1,
    vocabulary=300,
    tokenizer_episodes=4,
    episodes=12,
    rounds=1,
    round_episodes=4,
    steps=30,
    batch_size=8,
    warmup=3,
    learning_rate=1e-2,
    evaluation_episodes=4,
    workers=1,
    report_every=5,
    save_every=10,
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        choices=("auto", "torch"),
        default="auto",
        help="what computes the models' answers where a test does not say",
    )


@pytest.fixture(autouse=True, scope="session")
def backend(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let `auto` be torch, if the command line says so."""
    if request.config.getoption("--backend") == "auto":
        yield
        return
    plain = londi.models.hf.onnx.backend.use_backend

    def use_backend(model: TransformerModel, backend: Backend) -> None:
        plain(model, "torch" if backend == "auto" else backend)

    with mock.patch("londi.models.hf.onnx.backend.use_backend", use_backend):
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests, which `scripts/check --fast` leaves out."""
    for item in items:
        if item.nodeid.partition("[")[0] in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def tiny_config() -> FinetuneConfig:
    """Settings of a training that takes about a second."""
    return TINY


@pytest.fixture(scope="session")
def textworld_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the games of `textgames`, which the processes of one test run share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "textworld"
    make_games(GAMES, str(folder))
    return str(folder)


@pytest.fixture(scope="session")
def demonstrations() -> list[Demonstration]:
    """A few noisy episodes of the expert."""
    return collect_expert(TINY.env, range(6), (0.3,))


@pytest.fixture(scope="session")
def make_lm(
    demonstrations: list[Demonstration], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Seq2SeqModel]:
    """Make a tiny T5 with random weights, saved and loaded again; takes `Seq2SeqModel.load`'s
    settings, `weights` (a seed) and `config` (changes to `TINY`)."""
    texts = [p.text() for e in demonstrations for p, _ in e.examples(3)]
    folders: dict[Any, Path] = {}

    def make(
        weights: int = 0, config: dict[str, Any] | None = None, **settings: Any
    ) -> Seq2SeqModel:
        key = (weights, repr(config))
        if key not in folders:
            made = replace(TINY, **(config or {}))
            # Without phrases the candidates are of different lengths in tokens.
            tokenizer = learn_tokenizer(texts, (), made.vocabulary)
            torch.manual_seed(weights)
            model = new_model(made, tokenizer)
            for parameter in model.parameters():
                # Far enough from uniform that a mistake shows.
                torch.nn.init.normal_(parameter, std=0.3)
            folders[key] = tmp_path_factory.mktemp("t5")
            Seq2SeqModel(model, tokenizer, "tiny").save(folders[key])
        return Seq2SeqModel.load(str(folders[key]), **settings)

    return make

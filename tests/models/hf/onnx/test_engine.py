"""Answers of ONNX Runtime against those of transformers, family by family."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from londi.envs.prompt import Prompt
from londi.models.hf.onnx import engine
from londi.models.hf.onnx.backend import use_backend
from londi.models.hf.onnx.engine import PASS, OnnxEngine, _alike
from londi.models.hf.transformer import TransformerModel
from londi.models.registry import load_model
from londi.types import Reply
from models.hf.onnx.conftest import CAUSAL, SEQ2SEQ, MakeModel
from models.hf.tiny import UNEVEN


def both(model: TransformerModel, prompts: list[Prompt]) -> tuple[list[Reply], list[Reply]]:
    """The answers of torch and of ONNX Runtime."""
    model.engine = None
    wanted = model.act(prompts)
    use_backend(model, "onnx")
    return wanted, model.act(prompts)


def assert_same(wanted: list[Reply], found: list[Reply]) -> None:
    for one, other in zip(wanted, found, strict=True):
        assert one.action == other.action
        assert other.logprob == pytest.approx(one.logprob, rel=1e-4, abs=1e-4)
        assert other.confidence == pytest.approx(one.confidence, rel=1e-3, abs=1e-4)
        assert other.usage.tokens == one.usage.tokens
        assert other.usage.flops == one.usage.flops
        assert other.embedding is not None and one.embedding is not None
        assert other.embedding.dtype == np.float32
        np.testing.assert_allclose(other.embedding, one.embedding, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", [*SEQ2SEQ, *CAUSAL])
def test_answers_are_those_of_torch(
    family: str, make_model: MakeModel, states: list[Prompt], graphs: Path
) -> None:
    model = make_model(family, max_new_tokens=6)
    assert_same(*both(model, states))


@pytest.mark.parametrize("family", ["t5", "llama"])
def test_answers_do_not_depend_on_the_batch(
    family: str, make_model: MakeModel, states: list[Prompt], graphs: Path
) -> None:
    model = make_model(family, max_new_tokens=6)
    use_backend(model, "onnx")
    together = model.act(states)
    assert_same(together, [model.act([state])[0] for state in states])
    assert_same(together[::-1], model.act(states[::-1]))


@pytest.mark.parametrize("family", ["t5", "llama"])
@pytest.mark.parametrize("settings", [{"scoring": "glam"}, {"choose": "generate"}])
def test_every_way_to_choose(
    family: str,
    settings: dict[str, str],
    make_model: MakeModel,
    states: list[Prompt],
    graphs: Path,
) -> None:
    assert_same(*both(make_model(family, max_new_tokens=6, **settings), states))


@pytest.mark.parametrize("pair", ["babyai", "scienceworld"])
@pytest.mark.parametrize("size", ["quick", "deepthink"])
def test_the_built_in_models(pair: str, size: str, states: list[Prompt]) -> None:
    name = f"builtin:{pair}-{size}"
    wanted = load_model(name, backend="torch").act(states)
    assert_same(wanted, load_model(name, backend="onnx").act(states))


@pytest.mark.parametrize("name", ["builtin:babyai-quick", "builtin:scienceworld-deepthink"])
def test_an_answer_is_the_same_to_the_bit_in_every_batch(name: str, states: list[Prompt]) -> None:
    """A run of a sweep asks in other batches than the same run alone, since they share answers."""
    model = load_model(name, backend="onnx")
    alone = [model.act([state])[0] for state in states]
    for size in (2, 3, 7, len(states)):
        parts = [states[k : k + size] for k in range(0, len(states), size)]
        for one, other in zip(alone, [r for part in parts for r in model.act(part)], strict=True):
            assert (one.action, one.logprob) == (other.action, other.logprob)
            assert one.embedding is not None and other.embedding is not None
            np.testing.assert_array_equal(one.embedding, other.embedding)


def test_an_answer_is_the_same_to_the_bit_beside_other_lists(states: list[Prompt]) -> None:
    """Padded nodes are neutral: trees of any size stand beside each other."""
    model = load_model("builtin:babyai-quick", backend="onnx")
    words = ("go", "pick up the ball", "red", "open a locked box", "x")
    lists = [tuple(words[k % 5] + " a" * k for k in range(1, size)) for size in range(2, 14)]
    mixed = [replace(state, actions=own) for state, own in zip(states, lists, strict=False)]
    for one, prompt in zip(model.act(mixed), mixed, strict=True):
        (alone,) = model.act([prompt])
        assert (one.action, one.logprob, one.confidence) == (
            alone.action,
            alone.logprob,
            alone.confidence,
        )


@pytest.mark.parametrize("family", ["t5", "llama"])
def test_different_lists_are_one_pass(
    family: str,
    make_model: MakeModel,
    states: list[Prompt],
    graphs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = make_model(family)
    use_backend(model, "onnx")
    assert isinstance(model.engine, OnnxEngine)
    one = replace(states[0], actions=UNEVEN)
    shared = [one, replace(one, goal="go there")]
    mixed = [one, replace(one, actions=UNEVEN[:3])]
    shapes: list[tuple[int, ...]] = []
    run = model.engine._scores.run

    def counted(given: dict[str, Any]) -> dict[str, Any]:
        shapes.append(given["seen"].shape[:1] + given["nodes"].shape[:1])
        return run(given)

    monkeypatch.setattr(model.engine._scores, "run", counted)
    model.act(shared)
    model.act(mixed)
    assert shapes == [(1, 2), (2, 2)], "one tree for both, and one for each"
    monkeypatch.setattr(engine, "VALUES", 1)
    model.act(mixed)
    assert shapes[2:] == [(1, 1), (1, 1)], "as many as memory is meant to hold"


def test_lengths_that_differ_are_run_apart() -> None:
    lengths = [10] * 5 + [11] * 3 + [200] * 2
    assert list(_alike([(length, 7) for length in lengths], 70)) == [slice(0, 8), slice(8, 10)]
    assert list(_alike([(7, 7)], 1)) == [slice(0, 1)]
    assert list(_alike([], 1)) == []
    grown = [(length, 1) for length in range(1, 300)]
    for part in _alike(grown, 1000):
        padding = sum(grown[part.stop - 1][0] - length for length, _ in grown[part])
        assert padding <= PASS


def test_trees_that_differ_are_run_apart() -> None:
    assert list(_alike([(9, 2), (9, 150), (9, 2), (9, 3)], 1000)) == [
        slice(0, 1),
        slice(1, 2),
        slice(2, 4),
    ]
    assert list(_alike([(9, 10)] * 5, 20)) == [slice(0, 2), slice(2, 4), slice(4, 5)]


def test_a_text_ends_for_each_row_alone(
    make_model: MakeModel, states: list[Prompt], graphs: Path
) -> None:
    """Rows that end early leave the batch; the others go on as if they were alone."""
    model = make_model("t5", choose="generate", max_new_tokens=8)
    wanted, found = both(model, states)
    assert len({len(reply.action) for reply in wanted}) > 1
    assert [reply.action for reply in found] == [reply.action for reply in wanted]

"""The two models of a run: how they are loaded, and what of them is cached, timed and saved."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch

from londi.config import PairConfig, TrainConfig
from londi.errors import InvalidConfig, LondiError, ModelError, UnknownName
from londi.models.base import LanguageModel
from londi.models.cache import AnswerStore, CachedModel
from londi.models.check import PROMPTS
from londi.models.hf.int8 import Int8Linear
from londi.models.hf.transformer import TransformerModel
from londi.models.meter import MeteredModel
from londi.models.pair import ModelPair, load_pair
from londi.models.scripted import RandomModel
from playthings import Corridor, deepthink, quick

ENV = "londi/BabyAIText-GoToObjS4-v0"


@pytest.fixture
def threads() -> Iterator[int]:
    """The number of CPU threads, which is put back afterwards."""
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def load(**settings: Any) -> ModelPair:
    """Players without weights, unless `settings` name others."""
    plain: dict[str, Any] = {"env": ENV, "quick": "random", "deepthink": "expert", "cache": "none"}
    return load_pair(PairConfig(**plain | settings), seed=3)


# Two models that are there.


def test_a_pair_refuses_what_is_no_model() -> None:
    model = quick()
    model.embedding_size = None  # type: ignore[assignment]
    for two in ((model, deepthink()), (quick(), model)):
        with pytest.raises(ModelError, match="embedding_size: expected a whole number"):
            ModelPair(*two, Corridor)


def test_a_model_with_a_fingerprint_is_cached_and_one_without_is_not() -> None:
    known = quick()
    pair = ModelPair(known, RandomModel(0), Corridor, AnswerStore())
    for _ in range(2):
        pair.quick.act(PROMPTS)
    assert known.asked == [3], "the second time nobody asks it"
    assert isinstance(pair.quick, CachedModel) and isinstance(pair.deepthink, MeteredModel)
    # Three look-ups were in vain, and three were not; the model that draws looks nothing up.
    pair.deepthink.act(PROMPTS)
    assert pair.hit_rate == 0.5


def test_without_a_cache_every_question_is_asked() -> None:
    known = quick()
    pair = ModelPair(known, deepthink(), Corridor)
    for _ in range(2):
        pair.quick.act(PROMPTS)
    assert known.asked == [3, 3]
    assert pair.hit_rate == 0.0
    pair.commit()
    pair.close()


def test_the_seconds_are_those_of_both_models() -> None:
    pair = ModelPair(quick(), deepthink(), Corridor, AnswerStore())
    assert pair.seconds == 0.0
    pair.quick.act(PROMPTS)
    one = pair.seconds
    pair.deepthink.act(PROMPTS)
    both = pair.seconds
    assert 0.0 < one < both
    pair.quick.act(PROMPTS)  # from the cache
    assert pair.seconds == both


def test_answers_are_written_at_a_commit_and_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite"

    def rows() -> int:
        with sqlite3.connect(file) as db:
            (count,) = db.execute("SELECT COUNT(*) FROM answers").fetchone()
        db.close()
        return int(count)

    pair = ModelPair(quick(), deepthink(), Corridor, AnswerStore(file))
    pair.quick.act(PROMPTS)
    assert rows() == 0
    pair.commit()
    assert rows() == 3
    pair.deepthink.act(PROMPTS[:2])
    pair.close()
    assert rows() == 5


def drawn(model: LanguageModel) -> list[str]:
    return [reply.action for reply in model.act(PROMPTS * 8)]


def test_the_draws_of_both_models_go_on_where_they_were() -> None:
    pair = ModelPair(RandomModel(1), RandomModel(2), Corridor)
    models = pair.quick, pair.deepthink
    saved = pair.state()
    first = [drawn(model) for model in models]
    assert first[0] != first[1]
    again = ModelPair(RandomModel(3), RandomModel(4), Corridor)
    again.load_state(saved)
    assert [drawn(model) for model in (again.quick, again.deepthink)] == first


def test_a_model_that_does_not_draw_has_no_state() -> None:
    pair = ModelPair(quick(), RandomModel(1), Corridor)
    before, state = pair.state()
    assert before is None and state == RandomModel(1).state()
    pair.load_state([before, RandomModel(2).state()])
    assert pair.state() == [None, RandomModel(2).state()]


# Two models by name.


@pytest.mark.usefixtures("own_models")
def test_a_pair_is_loaded_by_module_and_name() -> None:
    config = TrainConfig(quick="own_models:Mine", deepthink="own_models:Draws", cache="memory")
    pair = load_pair(config, seed=0)
    assert (pair.quick.name, pair.deepthink.name) == ("mine", "draws")
    pair.close()


def test_deepthink_may_have_a_format_of_its_own() -> None:
    def formats(**settings: Any) -> list[bool]:
        pair = load_pair(PairConfig(cache="none", **settings), seed=0)
        models = [model.inner for model in (pair.quick, pair.deepthink)]
        assert all(isinstance(lm, TransformerModel) for lm in models)
        return [
            any(isinstance(part, Int8Linear) for part in lm.model.modules())  # type: ignore[attr-defined]
            for lm in models
        ]

    assert formats(dtype="int8") == [True, True]
    assert formats(deepthink_dtype="int8") == [False, True]
    assert formats(dtype="int8", deepthink_dtype="float32") == [True, False]


def test_two_models_that_draw_do_not_draw_alike() -> None:
    pair = load(deepthink="random")
    assert pair.state() == [RandomModel(3).state(), RandomModel(4).state()]


@pytest.mark.parametrize(
    ("models", "told"),
    [(("random", "expert"), True), (("expert", "random"), True), (("random", "random"), False)],
)
def test_the_expert_is_asked_only_where_it_plays(models: tuple[str, str], told: bool) -> None:
    """It takes time at every step."""
    env = load(quick=models[0], deepthink=models[1]).make()
    _, info = env.reset(seed=0)
    assert ("expert" in info) == told
    env.close()


def test_every_copy_of_the_environment_has_its_options() -> None:
    pair = load(env="londi/ScienceWorld-boil-v0", env_options={"limit": 7, "list_actions": True})
    one, other = pair.make(), pair.make()
    assert one is not other
    assert [env.unwrapped.metadata["horizon"] for env in (one, other)] == [7, 7]


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"env": "londi/BabyAIText-GoToObjS-v0"}, UnknownName, "did you mean 'londi/BabyAIText-"),
        (
            {"env_options": {"memry": 2}},
            UnknownName,
            "GoToObjS4-v0 'memry'; did you mean 'memory'?",
        ),
        ({"quick": "randon"}, UnknownName, "unknown model 'randon'; did you mean 'random'?"),
        (
            {"env": "londi/ScienceWorld-boil-v0"},
            InvalidConfig,
            "model 'random' needs a list of possible actions: londi/ScienceWorld-boil-v0 gives one"
            " with --env_options.list_actions true",
        ),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_line(
    settings: dict[str, Any], kind: type[LondiError], said: str, tmp_path: Path
) -> None:
    """Before anything is loaded or written: the cache that is named is not made."""
    file = tmp_path / "answers.sqlite"
    with pytest.raises(kind) as caught:
        load(cache=str(file), **settings)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert not file.exists()


def test_where_actions_are_listed_a_random_model_may_play() -> None:
    pair = load(env="londi/ScienceWorld-boil-v0", env_options={"list_actions": True})
    assert pair.quick.name == "random"


@pytest.fixture
def maze() -> Iterator[str]:
    """The name of an environment of a user's own."""
    gym.register("Maze-v0", Corridor)
    yield "Maze-v0"
    del gym.registry["Maze-v0"]


def test_for_an_environment_of_ones_own_both_models_are_named(maze: str) -> None:
    first, _ = load(env=maze, deepthink="random").make().reset(seed=0)
    assert first.endswith("at 0")
    for model in ("quick", "deepthink"):
        with pytest.raises(InvalidConfig, match=f"{model}: no built-in models play 'Maze-v0'"):
            load(env=maze, **{"deepthink": "random", model: "auto"})


@pytest.mark.usefixtures("own_models")
@pytest.mark.parametrize("cache", ["none", "memory", "~/answers.sqlite"])
def test_the_cache_is_where_the_settings_say(
    cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    pair = load(quick="own_models:Mine", cache=cache)
    for _ in range(2):
        pair.quick.act(PROMPTS)
    pair.close()
    assert pair.hit_rate == (0.0 if cache == "none" else 0.5)
    made = [file.name for file in set(tmp_path.iterdir()) - before if file.is_file()]
    assert made == (["answers.sqlite"] if cache.startswith("~") else [])


@pytest.mark.parametrize(("wanted", "changes"), [(2, True), (0, False)])
@pytest.mark.usefixtures("threads")
def test_the_models_take_as_many_threads_as_they_may(wanted: int, changes: bool) -> None:
    torch.set_num_threads(3)
    load(threads=wanted)
    assert torch.get_num_threads() == (wanted if changes else 3)

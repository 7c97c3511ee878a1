"""The shipped pairs: small, pickle-free, and as far apart as their model cards say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import londi
from londi.config import BABYAI_MIX, FinetuneConfig
from londi.config.settings import read_config
from londi.envs.seeds import held_out_seeds, validation_seeds
from londi.imitation.demonstrations import collect, collect_expert
from londi.models.hf.seq2seq import Seq2SeqModel

ROOT = Path(londi.__file__).parent / "builtin"
RECIPES = Path(__file__).parents[2] / "recipes"
PAIR = ("babyai-quick", "babyai-deepthink")
WIDE = "babyai-deepthink-wide"
SCIENCE = ("scienceworld-quick", "scienceworld-deepthink")
TEXT = ("textworld-quick", "textworld-deepthink")


def shipped(name: str) -> Seq2SeqModel:
    return Seq2SeqModel.load(str(ROOT / name))


def test_together_they_are_small_and_hold_no_pickle() -> None:
    files = [file for file in ROOT.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 25e6
    assert {file.suffix for file in files} <= {".json", ".md", ".safetensors", ".py"}


@pytest.mark.parametrize("name", (*PAIR, WIDE, *SCIENCE, *TEXT))
def test_the_recorded_recipe_is_the_one_in_recipes(name: str) -> None:
    recorded = json.loads((ROOT / name / "recipe.json").read_text())["config"]
    recipe = read_config(RECIPES / f"{name}.yaml", FinetuneConfig)
    assert json.loads(json.dumps({key: getattr(recipe, key) for key in recorded})) == recorded


@pytest.mark.parametrize(
    ("pair", "tokens", "steps"), [(PAIR, 30, 8), (SCIENCE, 130, 4), (TEXT, 100, 4)]
)
def test_deepthink_costs_ten_times_quicks_flops_on_equal_prompts(
    pair: tuple[str, str], tokens: int, steps: int
) -> None:
    quick, deepthink = map(shipped, pair)
    assert deepthink.flops(tokens, steps) > 10 * quick.flops(tokens, steps)


def test_the_wider_deepthink_costs_several_times_the_other() -> None:
    narrow, wide = shipped(PAIR[1]), shipped(WIDE)
    assert wide.flops(30, 8) > 3 * narrow.flops(30, 8)


def test_science_models_say_what_the_simulator_understands() -> None:
    # The first of the simulator's own actions on test variations, as both models read the states.
    episodes = collect_expert("londi/ScienceWorld-short-v0", held_out_seeds(1)[:1], (0.0,))
    prompts = [prompt for prompt, _ in episodes[0].examples(11)]
    for name in SCIENCE:
        replies = shipped(name).act(prompts)
        verbs = {reply.action.split()[0] for reply in replies}
        assert verbs <= {"open", "go", "look", "focus", "pick", "move", "use", "connect", "wait1"}


def test_text_models_cook_as_their_cards_say(textworld_cache: str) -> None:
    pytest.importorskip("textworld")
    won = []
    for name in TEXT:
        model = shipped(name)
        played = collect(
            "londi/TextWorld-cooking-easy-v0",
            held_out_seeds(4),
            lambda ps, model=model: [reply.action for reply in model.act(ps)],  # type: ignore[misc]
            options={"cache": textworld_cache},
        )
        won.append(sum(episode.success for episode in played))
    quick, deepthink = won
    assert quick < deepthink == 4


@pytest.mark.parametrize(
    ("name", "low", "high"), [(PAIR[0], 0.15, 0.60), (PAIR[1], 0.85, 1.0), (WIDE, 0.85, 1.0)]
)
def test_each_solves_what_its_card_says(name: str, low: float, high: float) -> None:
    figures = json.loads((ROOT / name / "recipe.json").read_text())["figures"]
    assert figures["episodes"] == 500
    assert low <= figures["success"] <= high
    model = shipped(name)
    played = list(
        collect(
            BABYAI_MIX, validation_seeds(60), lambda ps: [reply.action for reply in model.act(ps)]
        )
    )
    solved = np.mean([episode.success for episode in played])
    assert abs(solved - figures["success"]) < 3 * 0.5 / np.sqrt(60)  # three standard errors

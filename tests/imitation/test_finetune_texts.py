"""`londi finetune` on texts: a model learns to write a worked solution, chunk by chunk."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from londi.config import FinetuneConfig
from londi.config.settings import read_config
from londi.envs.generate.env import LINE
from londi.envs.prompt import Chunk
from londi.imitation.demonstrations import collect_expert
from londi.imitation.finetune import FinetuneProgress, finetune
from londi.imitation.tokenizer import learn_tokenizer, new_model
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.registry import load_model

ROOT = Path(__file__).parent.parent.parent
RECIPES = sorted(
    [*ROOT.glob("recipes/chain-sum-*.yaml"), *ROOT.glob("recipes/number-sorting-*.yaml")]
)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda file: file.stem)
def test_a_digit_or_a_number_is_a_token_of_its_own_in_a_recipe(recipe: Path) -> None:
    config, digits = read_config(recipe, FinetuneConfig), "sum" in recipe.stem
    episodes = collect_expert(config.env, range(20), config.noise, 1, config.env_options)
    assert all(episode.success for episode in episodes)
    pairs = [pair for episode in episodes for pair in episode.examples(config.history)]
    texts = [prompt.text() for prompt, _ in pairs] + [label for _, label in pairs]
    tokenizer = learn_tokenizer(texts, config.phrases, config.vocabulary)
    lm = Seq2SeqModel(new_model(config, tokenizer), tokenizer, "new", history=config.history)
    for prompt, label in pairs:
        assert prompt.chunk == Chunk(LINE, config.env_options["most_tokens"])
        (ids,) = lm.writings.chunk(prompt.chunk).ids([label])
        words = [tokenizer.decode([token], skip_special_tokens=True) for token in ids]
        assert "".join(words) == label and len(ids) <= prompt.chunk.tokens
        whole = r"\d" if digits else r"-?\d+\.0"
        assert all(re.fullmatch(whole, word) for word in words if re.search(r"\d", word))
        # A line that goes on has no end token, the last line has one.
        assert (ids[-1] == tokenizer.eos_token_id) == (not label.endswith("\n"))
    low, high = {
        "chain-sum-quick": (150_000, 250_000),
        "chain-sum-deepthink": (1_800_000, 2_600_000),
        "number-sorting-quick": (80_000, 150_000),
        "number-sorting-deepthink": (1_200_000, 2_500_000),
    }[recipe.stem]
    assert low < sum(weight.numel() for weight in lm.model.parameters()) < high


def test_a_model_learns_from_the_expert_and_from_its_own_states(tmp_path: Path) -> None:
    options = {
        "tasks": "reasoning-gym:chain_sum",
        "task_options": {"min_terms": 2, "max_terms": 3, "max_digits": 1},
        "scorer": "reasoning-gym",
        "most_tokens": 12,
        "most_chunks": 4,
    }
    recipe = read_config(ROOT / "recipes" / "chain-sum-quick.yaml", FinetuneConfig)
    config = replace(
        recipe,
        env_options=options,
        d_model=16,
        d_ff=32,
        heads=2,
        vocabulary=300,
        tokenizer_episodes=20,
        episodes=40,
        rounds=1,
        round_episodes=4,
        steps=80,
        batch_size=16,
        warmup=5,
        learning_rate=1e-2,
        evaluation_episodes=4,
        workers=1,
        report_every=10,
        save_every=80,
        num_envs=4,
    )
    progress: list[FinetuneProgress] = []
    figures = finetune(config, tmp_path / "run", on_progress=progress.append)
    assert figures is not None and 0.0 <= figures["return"] <= 1.0
    assert progress[-1].round == 1 and progress[-1].loss < 0.6 * progress[0].loss
    assert load_model(str(tmp_path / "run" / "model")).history == 1

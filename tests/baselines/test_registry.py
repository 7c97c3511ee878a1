"""The baselines: rules by hand-worked episodes, routers on a corridor whose answers are known."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from londi import SwitchingVectorEnv
from londi.baselines.logs import OfflineDataset, cached_dataset, collect
from londi.baselines.registry import BASELINES, UNIVERSAL, BaselineContext
from londi.baselines.routers import (
    EpisodeSwitcher,
    Margin,
    Scorer,
    UniversalScorer,
    greedy,
    learn_cql,
    learn_episode_router,
    learn_step_router,
    margins,
    win_probability,
)
from londi.baselines.rules import EverySwitcher, FirstSwitcher, StuckSwitcher
from londi.baselines.sb3 import learn, sequential
from londi.config import METHODS
from londi.encoders.base import ProgressEncoder
from londi.encoders.quick import QuickEncoder
from londi.encoders.registry import COST, EXTRAS, REPEATS, SHARE, STEPS
from londi.envs.prompt import Prompt
from londi.envs.scienceworld.prompt import SciencePrompt
from londi.envs.seeds import switching_seeds
from londi.errors import InvalidConfig
from londi.evaluation.evaluate import play, summary
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.switcher import ConstantSwitcher, LearnedSwitcher, Switcher
from playthings import UNIVERSAL as TRAINING
from playthings import deepthink, quick, toy

ENCODER = QuickEncoder(3)
HARD = 1  # the feature that says so
TERMS = CostBudgetRange(0.02, 0.8, 3)


def seen(
    steps: int, repeats: int = 0, features: tuple[float, ...] = (), share: float = 1.0
) -> np.ndarray:
    extras = [0.0] * EXTRAS
    extras[SHARE], extras[STEPS], extras[REPEATS] = share, np.log1p(steps), np.log1p(repeats)
    return np.array([*features, *extras], np.float32)


def choices(who: Switcher, episode: list[np.ndarray]) -> list[int]:
    """What a rule chooses along one episode in one slot."""
    anything = np.ones((1, 2), bool)
    return [int(who.call_probability(row[None], anything)[0]) for row in episode]


def test_the_first_steps_are_called_and_no_others() -> None:
    assert choices(FirstSwitcher(3), [seen(t) for t in range(6)]) == [1, 1, 1, 0, 0, 0]


@given(share=st.floats(0, 1), steps=st.integers(1, 60))
def test_calls_are_spread_evenly(share: float, steps: int) -> None:
    made = choices(EverySwitcher(share), [seen(t) for t in range(steps)])
    assert sum(made) == int(np.floor(steps * share + 1e-9))


def test_every_third_step() -> None:
    assert choices(EverySwitcher(1 / 3), [seen(t) for t in range(7)]) == [0, 0, 1, 0, 0, 1, 0]
    with pytest.raises(InvalidConfig, match=r"share: expected a number in \[0, 1\], got 1.5"):
        EverySwitcher(1.5)


def test_the_large_model_takes_over_where_there_is_no_progress() -> None:
    gains = [0, 0, 0, 0, 0, 5, 0, 0, 0]
    episode = [seen(t, features=(float(gain),)) for t, gain in enumerate(gains)]
    # Two idle steps, then two of DEEPTHINK's, and idle steps count from anew.
    assert choices(StuckSwitcher(2, 2, False), episode) == [0, 0, 1, 1, 0, 0, 0, 1, 1]
    repeats = [0, 0, 1, 2, 0, 0, 1, 1, 0]
    episode = [seen(t, r, (0.0,)) for t, r in enumerate(repeats)]
    assert choices(StuckSwitcher(1, 1, True), episode) == [0, 0, 1, 1, 0, 0, 1, 1, 0]


def test_a_rule_forgets_where_an_episode_begins() -> None:
    rule = StuckSwitcher(2, 5, False)
    idle = [seen(t, features=(0.0,)) for t in range(4)]
    assert choices(rule, idle) == [0, 0, 1, 1]
    assert choices(rule, idle) == [0, 0, 1, 1]


def test_rules_call_nobody_without_a_budget() -> None:
    nothing = np.array([[True, False]])
    rows = seen(0)[None], seen(0, features=(0.0,))[None]
    for who, row in ((FirstSwitcher(9), rows[0]), (EverySwitcher(1.0), rows[0])):
        assert who.call_probability(row, nothing).tolist() == [0.0]
    assert StuckSwitcher(1, 1, True).call_probability(rows[1], nothing).tolist() == [0.0]


def test_progress_is_the_last_gain_of_a_score() -> None:
    plain = Prompt("goal", (), ("a", "b"), ("do",))
    science = SciencePrompt("goal", (), ("a", "b", "c"), ("do", "go"), gains=(7, 3))
    start = SciencePrompt("goal", (), ("a",))
    assert ProgressEncoder().encode([plain, science, start], []).tolist() == [[0], [3], [0]]


def recorded(
    rate: float | None, steps: float = np.inf, episodes: int = 1200, seed: int = 0
) -> OfflineDataset:
    return collect(
        toy(),
        ENCODER,
        islice(switching_seeds(seed), episodes),
        (lambda rng: rng.random()) if rate is None else (lambda rng: rate),
        steps=steps,
        num_envs=8,
        seed=seed,
    )


@pytest.fixture(scope="module")
def log() -> OfflineDataset:
    return recorded(None)


def test_a_log_holds_whole_episodes_in_order(log: OfflineDataset) -> None:
    assert len(np.unique(log.episode)) == log.begins.sum() == 1200
    steps = np.rint(np.expm1(log.observation[:, ENCODER.size + STEPS]))
    assert (steps[log.begins] == 0).all()
    inside = ~log.begins[1:]
    assert (np.diff(steps)[inside] == 1).all()
    assert np.array_equal(log.observation[1:][inside], log.following[:-1][inside])
    # Without a budget, at no cost: terms are drawn when it is learned from.
    assert (log.observation[:, ENCODER.size + SHARE] == 1).all()
    assert (log.observation[:, ENCODER.size + COST] == 0).all()


def test_what_is_to_come_is_the_rest_of_the_episode(log: OfflineDataset) -> None:
    expected = [
        log.reward[t:][log.episode[t:] == episode].sum() for t, episode in enumerate(log.episode)
    ]
    assert log.to_come() == pytest.approx(np.array(expected))


def test_a_log_that_is_cut_holds_no_unfinished_episode() -> None:
    cut = recorded(1.0, steps=50)
    assert 0 < len(cut.episode) <= 56
    assert cut.terminated[np.append(cut.begins[1:], True)].all()


def test_a_log_is_made_once(tmp_path: Path) -> None:
    made = cached_dataset(tmp_path / "log", lambda: recorded(0.5, episodes=5))

    def again() -> OfflineDataset:
        raise AssertionError

    kept = cached_dataset(tmp_path / "log", again)
    assert np.array_equal(made.observation, kept.observation)
    assert made.episode.tolist() == kept.episode.tolist()


def hard_and_easy() -> np.ndarray:
    """A hard state and an easy one, in the middle of nowhere."""
    rows = np.zeros((2, ENCODER.size + EXTRAS), np.float32)
    rows[:, 2], rows[:, ENCODER.size + SHARE] = 0.5, 1.0
    rows[0, HARD], rows[1, 0] = 1.0, 1.0
    return rows


def test_an_episode_is_routed_by_how_it_begins(log: OfflineDataset) -> None:
    torch.manual_seed(0)
    scorer = Scorer(ENCODER, 32)
    alone, large = recorded(0.0), recorded(1.0)
    learn_episode_router(scorer, alone, large, 0)
    begins = alone.observation[alone.begins]
    wins = win_probability(scorer, begins)
    hard = begins[:, HARD] == 1
    # Where the first state is hard DEEPTHINK always wins; else unless all others are easy.
    assert wins[hard].min() > wins[~hard].max() > 0.8
    middle = float((wins[hard].mean() + wins[~hard].mean()) / 2)
    router = EpisodeSwitcher(scorer, "quick", ENCODER.size, middle)
    steps = [
        [record.step for record in episode]
        for episode in play(toy(), router, range(40), cost=0.1, budget=Budget(), num_envs=8, seed=0)
    ]
    made = [{step.choice for step in episode} for episode in steps]
    assert all(len(choice) == 1 for choice in made)
    assert {0} in made and {1} in made


def test_a_step_is_worth_a_call_where_it_is_hard() -> None:
    log = recorded(0.5)
    torch.manual_seed(0)
    scorer = Scorer(ENCODER, 32)
    learn_step_router(scorer, log, 0)
    with torch.inference_mode():
        (hard, easy) = scorer(torch.from_numpy(hard_and_easy()))
    assert float(hard[1] - hard[0]) > 0.1 > abs(float(easy[1] - easy[0]))
    at = margins(scorer, log, 3)
    assert at == sorted(at)
    # The greater lambda, the fewer calls; in the middle those that matter.
    players = [greedy(Margin(scorer, margin), "quick") for margin in (-9.0, 0.1, 9.0)]
    played = [
        summary(play(toy(), who, range(60), cost=0.1, budget=Budget(), num_envs=8, seed=0))
        for who in players
    ]
    rates = [sum(e.calls for e in p) / sum(e.steps for e in p) for p in played]
    assert rates[0] == 1.0 and 0.4 < rates[1] < 0.7 and rates[2] == 0.0
    assert np.mean([e.total for e in played[1]]) > 0.95


def test_conservative_values_call_where_it_is_hard(log: OfflineDataset) -> None:
    torch.manual_seed(0)
    scorer = UniversalScorer(ENCODER, 32, TERMS)
    learn_cql(scorer, log, TERMS, ENCODER.size, weight=0.1, steps=1500, gamma=0.99, seed=0)
    who = greedy(scorer, "quick", TERMS)
    played = summary(play(toy(), who, range(60), cost=0.15, budget=Budget(), num_envs=8, seed=0))
    assert np.mean([e.total for e in played]) > 0.9
    assert sum(e.calls for e in played) / sum(e.steps for e in played) < 0.75
    capped = summary(play(toy(), who, range(60), cost=0.05, budget=Budget(2), num_envs=8, seed=0))
    assert max(e.calls for e in capped) <= 2


def test_conservative_values_do_not_trust_what_was_never_tried() -> None:
    torch.manual_seed(0)
    scorer = UniversalScorer(ENCODER, 32, TERMS)
    learn_cql(scorer, recorded(0.0), TERMS, ENCODER.size, weight=0.1, steps=500, gamma=0.99, seed=0)
    rows = hard_and_easy()
    rows[:, ENCODER.size + COST] = 0.02
    with torch.inference_mode():
        values = scorer(torch.from_numpy(rows))
    assert (values[:, 0] > values[:, 1]).all()


@pytest.mark.parametrize(("algorithm", "is_greedy"), [("dqn", True), ("ppo", False)])
def test_another_library_learns_to_call_where_it_is_hard(algorithm: str, is_greedy: bool) -> None:
    env = SwitchingVectorEnv(
        toy().make, quick(), deepthink(), cost=0.1, encoder=ENCODER, num_envs=8
    )
    network = learn(
        algorithm,
        env,
        ENCODER,
        switching_seeds(0),
        width=32,
        steps=12_000,
        gamma=0.99,
        seed=0,
    )
    env.close()
    same = sequential(ENCODER, 32)
    same.load_state_dict(network.state_dict())
    who = LearnedSwitcher(same, "quick", greedy=is_greedy)
    played = summary(play(toy(), who, range(200), cost=0.1, budget=Budget(), num_envs=8, seed=0))
    worth = np.mean([e.total - 0.1 * e.calls for e in played])
    always = summary(
        play(
            toy(), ConstantSwitcher(1.0), range(200), cost=0.1, budget=Budget(), num_envs=8, seed=0
        )
    )
    assert worth > np.mean([e.total - 0.1 * e.calls for e in always]) + 0.05


@pytest.mark.parametrize("network", [Scorer(ENCODER, 16), sequential(ENCODER, 16)])
def test_what_learned_without_budgets_decides_alike_with_any(network: torch.nn.Module) -> None:
    # A network never saw another share of the budget than 1: those weights are as they were drawn.
    torch.manual_seed(0)
    rows = torch.randn(64, ENCODER.size + EXTRAS)
    rows[:, ENCODER.size + SHARE] = 1.0
    emptier = rows.clone()
    emptier[:, ENCODER.size + SHARE] = torch.linspace(-1, 1, 64)
    assert torch.equal(network(emptier), network(rows))


def test_routers_decide_alike_at_any_cost() -> None:
    # The log that they learn from shows a cost of zero throughout.
    torch.manual_seed(0)
    rows, scorer = torch.randn(64, ENCODER.size + EXTRAS), Scorer(ENCODER, 16)
    dearer = rows.clone()
    dearer[:, ENCODER.size + COST] = 0.5
    assert torch.equal(scorer(dearer), scorer(rows))


def test_there_is_a_baseline_of_every_name() -> None:
    assert tuple(BASELINES) == METHODS


def a_bench(folder: Path) -> BaselineContext:
    universal = LearnedSwitcher(Scorer(ENCODER, 32), "quick", terms=CostBudgetRange.of(TRAINING))
    return BaselineContext(folder, TRAINING, universal, toy(), 2000)


def test_a_model_alone_plays_an_episode_for_every_forty_steps_of_a_log(tmp_path: Path) -> None:
    for rate in (0.0, 1.0):
        log = a_bench(tmp_path).alone(rate)
        assert log.begins.sum() == 50
        assert np.all(log.choice == rate)


def test_no_two_settings_of_a_method_are_called_alike(tmp_path: Path) -> None:
    bench = a_bench(tmp_path)
    methods = [BASELINES[name] for name in METHODS if name not in ("dqn", "ppo")]
    for method in (UNIVERSAL, *methods):
        made = method.candidates(bench)
        assert len({candidate.setting for candidate in made}) == len(made) > 5, method.name
        for candidate in made:
            assert TRAINING.cost_range[0] <= candidate.cost <= TRAINING.cost_range[1]
    again = a_bench(tmp_path)
    first = BASELINES["step-router"].candidates(bench)[3].switcher
    second = BASELINES["step-router"].candidates(again)[3].switcher
    rows, anything = hard_and_easy(), np.ones((2, 2), bool)
    assert np.array_equal(
        first.call_probability(rows, anything), second.call_probability(rows, anything)
    )

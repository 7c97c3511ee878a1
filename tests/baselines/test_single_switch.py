"""The single switch, on a corridor whose values are worked out by hand."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from logged_corridor import ENCODER, HARD, recorded
from londi.baselines.routers import score_network
from londi.baselines.single_switch import (
    SingleSwitcher,
    gains,
    learn_switch_values,
    switch_margins,
)
from londi.envs.seeds import switching_seeds
from londi.evaluation.play import play
from londi.learning.dataset import OfflineDataset
from londi.learning.logs import collect
from londi.switching.budget import Budget
from londi.switching.observation import ObservationLayout, steps_made
from londi.types import Step
from playthings import LENGTH, Corridor, toy

LAYOUT = ObservationLayout(ENCODER.size)


@pytest.fixture(scope="module")
def quick() -> OfflineDataset:
    return recorded(0.0, episodes=5000)


@pytest.fixture(scope="module")
def handover() -> OfflineDataset:
    return collect(
        toy(),
        ENCODER,
        islice(switching_seeds(1), 4000),
        lambda rng: 1.0,
        steps=np.inf,
        num_envs=8,
        seed=1,
        quick_steps=lambda rng: int(rng.choice([1, 2, 3])),
    )


@pytest.fixture(scope="module")
def scorer(quick: OfflineDataset, handover: OfflineDataset) -> nn.Module:
    torch.manual_seed(0)
    network = score_network(ENCODER, 32)
    learn_switch_values(network, quick, handover, ENCODER.size, 0)
    return network.eval()


def played(who: SingleSwitcher, budget: int | None = None) -> dict[int, list[Step]]:
    """The steps of 200 episodes that QUICK does not lose before the switch is due."""
    episodes = play(toy(), who, range(200), cost=0.1, budget=Budget(budget), num_envs=8, seed=0)
    steps = {e[0].step.episode: [record.step for record in e] for e in episodes}
    return {seed: made for seed, made in steps.items() if len(made) > who.k}


def hard_states(seed: int) -> list[int]:
    world = Corridor()
    world.reset(seed=seed)
    return [int(hard) for hard in world._hard]


def switcher(scorer: nn.Module, k: int, margin: float) -> SingleSwitcher:
    return SingleSwitcher(scorer, "quick", ENCODER.size, k, margin)


def test_in_a_log_with_a_handover_quick_plays_first_and_never_again(
    handover: OfflineDataset,
) -> None:
    begins = np.flatnonzero(handover.begins)
    firsts = set()
    for choice in np.split(handover.choice, begins[1:]):
        assert (np.diff(choice) >= 0).all()
        firsts.add(int((choice == 0).sum()))
    assert firsts == {1, 2, 3}
    assert (handover.propensity == 1.0).all()


def test_the_two_values_are_those_worked_out(scorer: nn.Module, quick: OfflineDataset) -> None:
    # Where it is hard QUICK ends with nothing. Where it is easy it comes to the end with a
    # probability of 1/2 for each later state. DEEPTHINK always does.
    steps = steps_made(LAYOUT.view(quick.observation))
    hard = quick.observation[:, HARD] == 1
    found = gains(scorer, quick.observation)
    for k in (1, 2, 3):
        easy = 1 - 0.5 ** (LENGTH - 1 - k)
        assert found[(steps == k) & hard].mean() == pytest.approx(1.0, abs=0.1), k
        assert found[(steps == k) & ~hard].mean() == pytest.approx(easy, abs=0.2), k


def test_it_switches_where_the_value_says_so_and_at_no_other_step(scorer: nn.Module) -> None:
    at_two = played(switcher(scorer, 2, 0.75))  # gains are 1 where it is hard, 0.5 where it is easy
    after = set()
    for seed, made in at_two.items():
        hard = hard_states(seed)
        assert [step.choice for step in made[:2]] == [0, 0]
        assert {step.choice for step in made[2:]} == {hard[2]}, "for the rest of the episode"
        after.add((hard[2], hard[3]))
    # So also where the state after it alone would say otherwise.
    assert {(1, 0), (0, 1)} <= after


def test_its_ladder_leads_from_no_call_to_all_after_its_steps(
    scorer: nn.Module, quick: OfflineDataset
) -> None:
    margins = switch_margins(scorer, quick, ENCODER.size, 1, 5)
    assert len(margins) == 5 and margins == sorted(margins, reverse=True)
    # Few states are different here, and a quantile takes all of one: the shares of the log's
    # episodes are at least those asked for, and the same shares are met in play.
    first = quick.observation[steps_made(LAYOUT.view(quick.observation)) == 1]
    logged = [(gains(scorer, first) >= margin).mean() for margin in margins]
    assert (np.array(logged) > np.array([0.2, 0.4, 0.6, 0.8, 1.0]) - 0.01).all()
    shares = []
    for margin in (np.inf, *margins):
        made = played(switcher(scorer, 1, margin))
        called = [episode for episode in made.values() if episode[-1].choice]
        assert all(sum(s.choice for s in e) == len(e) - 1 for e in called)
        shares.append(len(called) / len(made))
    assert shares[0] == 0.0 and shares[-1] == 1.0
    assert shares == sorted(shares)
    np.testing.assert_allclose(shares[1:], logged, atol=0.16)
    nobody_is_there = switch_margins(scorer, quick, ENCODER.size, LENGTH, 5)
    assert nobody_is_there == [-np.inf]


def test_it_keeps_to_a_budget(scorer: nn.Module) -> None:
    made = played(switcher(scorer, 1, -np.inf), budget=1)
    calls = [[step.choice for step in episode] for episode in made.values()]
    assert all(choices == [0, 1, *[0] * (len(choices) - 2)] for choices in calls)


def test_another_episode_begins_anew() -> None:
    class Always(nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.0, 1.0]]).repeat(len(rows), 1)

    who, both = switcher(Always(), 1, 0.0), np.ones((1, 2), bool)
    rows = np.zeros((1, LAYOUT.size), np.float32)
    seen = []
    for step in (0, 1, 2, 0, 1):
        LAYOUT.view(rows).steps[:] = np.log1p(step)
        seen.append(float(who.call_probability(rows, both)[0]))
    assert seen == [0.0, 1.0, 1.0, 0.0, 1.0]

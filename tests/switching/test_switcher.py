"""Who decides: what each Switcher would do, and that it does what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from londi import TrainConfig
from londi.encoders.base import ConfidenceEncoder
from londi.encoders.registry import make_encoder
from londi.errors import InvalidConfig, LondiError
from londi.models.base import LanguageModel
from londi.models.cache import AnswerStore, CachedModel
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.scripted import RandomModel
from londi.storage.checkpoint import save_state
from londi.storage.runs import create_run
from londi.switching.budget import Budget
from londi.switching.cost_budget import CostBudgetRange
from londi.switching.networks import Network, PenaltyActor, UniversalActor, UniversalValue
from londi.switching.observation import BUDGET_LEFT, CAPPED, CONTEXT
from londi.switching.switcher import (
    ConstantSwitcher,
    Expectation,
    LearnedSwitcher,
    Switcher,
    ThresholdSwitcher,
)

MakeLM = Callable[..., Seq2SeqModel]

WIDTH = 8


def seen(n: int, seed: int = 0, size: int = 1) -> np.ndarray:
    """Observations `[n, size + CONTEXT]`: features, the calls left of one, the cost, progress."""
    rng = np.random.default_rng(seed)
    rows = rng.random((n, size + CONTEXT)).astype(np.float32)
    rows[:, size + CAPPED] = rng.integers(2, size=n)
    return rows


def undecided(made: Network, observation: np.ndarray) -> Network:
    """The actor with large random weights, so that it would call at half of `observation`."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            torch.nn.init.normal_(parameter, std=0.6)
        logits = made(torch.from_numpy(observation))
        made.head.bias[1] -= (logits[:, 1] - logits[:, 0]).median()
    return made


def actor() -> Network:
    """An actor over one feature."""
    return undecided(PenaltyActor(ConfidenceEncoder(), WIDTH, 1, 0.0), seen(200))


def leaning(logit: float) -> LearnedSwitcher:
    """A Switcher, not greedy, whose logits are (0, `logit`) whatever it sees."""
    made = actor()
    with torch.no_grad():
        made.head.weight.zero_()
        made.head.bias.copy_(torch.tensor([0.0, logit]))
    return LearnedSwitcher(made, "confidence", greedy=False)


SWITCHERS: dict[str, Switcher] = {
    "quick": ConstantSwitcher(0.0),
    "random": ConstantSwitcher(0.3),
    "deepthink": ConstantSwitcher(1.0),
    "threshold": ThresholdSwitcher(0.5),
    "greedy": LearnedSwitcher(actor(), "confidence", greedy=True),
    "sampled": LearnedSwitcher(actor(), "confidence", greedy=False),
}


def may(*calls: bool) -> np.ndarray:
    """Which choices are possible: QUICK's always, DEEPTHINK's as told."""
    return np.array([[True, call] for call in calls])


def everywhere(n: int) -> np.ndarray:
    return np.ones((n, 2), dtype=bool)


# What all of them keep to.


@pytest.mark.parametrize("name", SWITCHERS)
@settings(max_examples=30, deadline=None)
@given(
    calls=st.lists(st.booleans(), min_size=1, max_size=12),
    draw=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1.0, 100.0]),
)
def test_a_forbidden_call_has_no_chance_and_is_never_made(
    name: str, calls: list[bool], draw: int, scale: float
) -> None:
    switcher, allowed = SWITCHERS[name], may(*calls)
    observation = seen(len(calls), draw) * np.float32(scale)
    call = switcher.call_probability(observation, allowed)
    assert call.shape == (len(calls),)
    assert (call[~allowed[:, 1]] == 0).all()
    assert ((call >= 0) & (call <= 1)).all()
    decision = switcher.decide(observation, allowed, np.random.default_rng(draw))
    choice, propensity = decision.choice, decision.propensity
    assert not choice[~allowed[:, 1]].any()
    assert (propensity[~allowed[:, 1]] == 1).all()


@pytest.mark.parametrize("name", SWITCHERS)
@settings(max_examples=30, deadline=None)
@given(calls=st.lists(st.booleans(), min_size=1, max_size=12), draw=st.integers(0, 2**32 - 1))
def test_the_propensity_is_the_probability_of_the_choice_made(
    name: str, calls: list[bool], draw: int
) -> None:
    switcher, allowed = SWITCHERS[name], may(*calls)
    observation = seen(len(calls), draw)
    call = switcher.call_probability(observation, allowed)
    decision = switcher.decide(observation, allowed, np.random.default_rng(draw))
    choice, propensity = decision.choice, decision.propensity
    np.testing.assert_array_equal(decision.call_probability, call)
    assert decision.exploration == 0.0
    assert choice.shape == propensity.shape == (len(calls),) and choice.dtype == np.int64
    for g, p, chance in zip(choice.tolist(), propensity.tolist(), call.tolist(), strict=True):
        assert g in (0, 1)
        assert p == (chance if g else 1 - chance)
        assert p > 0  # what cannot happen has not happened


@pytest.mark.parametrize("name", ["random", "sampled"])
def test_calls_are_as_frequent_as_their_probability_says(name: str) -> None:
    switcher = SWITCHERS[name]
    observation = np.repeat(seen(1, seed=2), 20_000, axis=0)
    call = float(switcher.call_probability(observation[:1], everywhere(1))[0])
    assert 0.05 < call < 0.95
    choice = switcher.decide(observation, everywhere(20_000), np.random.default_rng(0)).choice
    # Five standard errors.
    assert choice.mean() == pytest.approx(call, abs=5 * (call * (1 - call) / 20_000) ** 0.5)


@pytest.mark.parametrize("name", SWITCHERS)
def test_the_same_generator_makes_the_same_choices(name: str) -> None:
    first, second = (
        SWITCHERS[name].decide(seen(50), everywhere(50), np.random.default_rng(9)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.choice, second.choice)
    np.testing.assert_array_equal(first.propensity, second.propensity)


class Lowest(np.random.Generator):
    """Draws the smallest number that a generator can give, and that comes once in 2**53."""

    def random(self, size: int) -> np.ndarray:  # type: ignore[override]
        return np.zeros(size)


@pytest.mark.parametrize("name", SWITCHERS)
def test_not_even_the_smallest_draw_makes_a_forbidden_call(name: str) -> None:
    rng = Lowest(np.random.PCG64(0))
    decision = SWITCHERS[name].decide(seen(3), may(False, False, False), rng)
    assert not decision.choice.any() and (decision.propensity == 1).all()


# One by one.


def test_a_constant_switcher_does_not_look() -> None:
    for probability in (0.0, 0.25, 1.0):
        switcher = ConstantSwitcher(probability)
        call = switcher.call_probability(np.zeros((3, CONTEXT), np.float32), may(True, False, True))
        assert call.tolist() == [probability, 0.0, probability]
        assert switcher.encoder == "none"


def test_the_ends_of_a_constant_switcher_are_certain() -> None:
    for probability in (0, 1):
        decision = ConstantSwitcher(probability).decide(
            seen(1000), everywhere(1000), np.random.default_rng(0)
        )
        assert (decision.choice == probability).all() and (decision.propensity == 1).all()


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan"), float("inf")])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(InvalidConfig, match=r"expected a number in \[0, 1\]") as caught:
        ConstantSwitcher(probability)
    assert len(str(caught.value).splitlines()) == 1


def test_a_threshold_calls_where_quick_is_less_sure() -> None:
    observation = np.array([[c, 1, 0.1] for c in (0.2, 0.499, 0.5, 0.9)], np.float32)
    switcher = ThresholdSwitcher(0.5)
    assert switcher.encoder == "confidence"
    assert switcher.call_probability(observation, everywhere(4)).tolist() == [1, 1, 0, 0]
    allowed = may(False, True, True, True)
    assert switcher.call_probability(observation, allowed).tolist() == [0, 1, 0, 0]
    assert not ThresholdSwitcher(0.0).call_probability(observation, everywhere(4)).any()
    assert ThresholdSwitcher(1.1).call_probability(observation, everywhere(4)).all()


def test_a_sampled_switcher_has_the_policys_own_probability() -> None:
    # softmax(0, log 3) = (1/4, 3/4)
    call = leaning(np.log(3)).call_probability(seen(2), may(True, False))
    assert call.tolist() == pytest.approx([0.75, 0.0])


@pytest.mark.parametrize(("logit", "expected"), [(2.0, 1.0), (0.01, 1.0), (-0.01, 0.0), (-2.0, 0)])
def test_a_greedy_switcher_takes_the_likelier_choice(logit: float, expected: float) -> None:
    switcher = leaning(logit)
    switcher.greedy = True
    assert switcher.call_probability(seen(3), everywhere(3)).tolist() == [expected] * 3


def test_where_both_are_as_likely_the_cheaper_one_acts() -> None:
    switcher = leaning(0.0)
    switcher.greedy = True
    assert not switcher.call_probability(seen(3), everywhere(3)).any()


def test_greedy_and_sampled_switchers_lean_the_same_way() -> None:
    observation = seen(200)
    greedy = SWITCHERS["greedy"].call_probability(observation, everywhere(200))
    sampled = SWITCHERS["sampled"].call_probability(observation, everywhere(200))
    np.testing.assert_array_equal(greedy == 1, sampled > 0.5)
    assert set(greedy.tolist()) == {0, 1} and len(set(sampled.tolist())) > 100


def test_a_decision_leaves_no_gradient_behind() -> None:
    made = actor()
    switcher = LearnedSwitcher(made, "confidence")
    switcher.call_probability(seen(3), everywhere(3))
    assert not any(p.requires_grad for p in made.parameters()) and not made.training


# From a run's folder.


def observations(encoder: str, quick: LanguageModel, deepthink: LanguageModel) -> np.ndarray:
    """64 observations as that encoder could make them."""
    size = make_encoder(encoder, quick, deepthink).size
    rows = seen(64, size=size)
    if encoder == "transformer":
        rows[:, :size] = np.random.default_rng(0).integers(1, 200, (64, size))
        rows[1::2, 40:size] = 0  # shorter prompts are padded
    return rows


def save_run(folder: Path, encoder: str, quick: LanguageModel, deepthink: LanguageModel) -> Network:
    """Leave in `folder` what a training leaves there; returns the actor."""
    made = undecided(
        PenaltyActor(make_encoder(encoder, quick, deepthink), WIDTH, 1, 0.0),
        observations(encoder, quick, deepthink),
    )
    folder.mkdir(exist_ok=True)
    switcher = {
        "algorithm": "sac",
        "encoder": encoder,
        "width": WIDTH,
        "budget": 1,
        "punishment": 0.0,
        "actor": made.state_dict(),
    }
    save_state(folder / "checkpoint", {"switcher": switcher, "step": 10})
    return made


@pytest.mark.parametrize("encoder", ["none", "confidence", "quick", "transformer"])
@pytest.mark.parametrize("greedy", [True, False])
def test_a_saved_switcher_decides_as_it_did(
    make_lm: MakeLM, tmp_path: Path, encoder: str, greedy: bool
) -> None:
    quick, deepthink = make_lm(0), make_lm(1)
    made = save_run(tmp_path / "r", encoder, quick, deepthink)
    # A run's models come behind a cache.
    cached = [CachedModel(model, AnswerStore()) for model in (quick, deepthink)]
    loaded = Switcher.load(tmp_path / "r", *cached, greedy=greedy)
    assert loaded.encoder == encoder and loaded.greedy is greedy

    observation, allowed = observations(encoder, quick, deepthink), everywhere(64)
    allowed[::5, 1] = False
    before, after = (
        switcher.decide(observation, allowed, np.random.default_rng(3))
        for switcher in (LearnedSwitcher(made, encoder, greedy), loaded)
    )
    np.testing.assert_array_equal(before.choice, after.choice)
    np.testing.assert_array_equal(before.propensity, after.propensity)
    assert len(set(loaded.call_probability(observation, allowed).tolist())) > 1


def test_a_loaded_switcher_draws_unless_told(make_lm: MakeLM, tmp_path: Path) -> None:
    lm = make_lm()
    save_run(tmp_path, "quick", lm, lm)
    assert Switcher.load(str(tmp_path), lm, lm).greedy is False


@pytest.mark.parametrize("what", ["nowhere", "an empty folder", "an empty checkpoint", "a file"])
def test_a_folder_without_a_checkpoint_is_named_in_one_line(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "r"
    if what == "a file":
        folder.write_text("x")
    elif what != "nowhere":
        folder.mkdir()
        if what == "an empty checkpoint":
            (folder / "checkpoint").mkdir()
    with pytest.raises(LondiError, match="no checkpoint") as caught:
        Switcher.load(folder, RandomModel(), RandomModel())
    assert repr(str(folder)) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("encoder", "other"), [("quick", {"d_model": 8}), ("transformer", {"vocabulary": 262})]
)
def test_a_switcher_in_front_of_other_models_is_refused(
    make_lm: MakeLM, tmp_path: Path, encoder: str, other: dict[str, int]
) -> None:
    trained, different = make_lm(), make_lm(config=other)
    save_run(tmp_path, encoder, trained, trained)
    with pytest.raises(LondiError, match="trained in front of other models") as caught:
        Switcher.load(tmp_path, different, trained)
    assert len(str(caught.value).splitlines()) == 1


def test_a_switcher_in_front_of_models_that_show_nothing_is_refused(
    make_lm: MakeLM, tmp_path: Path
) -> None:
    lm = make_lm()
    save_run(tmp_path, "quick", lm, lm)
    with pytest.raises(LondiError, match="'random'") as caught:
        Switcher.load(tmp_path, RandomModel(), lm)
    assert len(str(caught.value).splitlines()) == 1


# From a run of release 0.1.


def former(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by the names that they had: a trunk for a range held another one."""
    return {name.replace("trunk.", "trunk.inner."): value for name, value in weights.items()}


def test_a_fixed_switcher_of_the_release_before_decides_as_it_did(tmp_path: Path) -> None:
    made = undecided(PenaltyActor(ConfidenceEncoder(), WIDTH, 4, 7.0), seen(64))
    create_run(tmp_path / "r", TrainConfig(budget=4, budget_mode="penalty"), overwrite=False)
    state = {
        "encoder": "confidence",
        "width": WIDTH,
        "punishment": 7.0,
        "actor": made.state_dict(),
    }
    save_state(tmp_path / "r" / "checkpoint", {"switcher": state, "step": 10})
    loaded = Switcher.load(tmp_path / "r", RandomModel(), RandomModel())
    rows = seen(64)
    rows[:, 1 + BUDGET_LEFT] = np.arange(64) % 6 - 1  # beyond the budget, and up to four left
    expected = LearnedSwitcher(made, "confidence").call_probability(rows, everywhere(64))
    np.testing.assert_array_equal(loaded.call_probability(rows, everywhere(64)), expected)
    assert len(set(expected.tolist())) > 30


def test_a_universal_switcher_of_the_release_before_decides_as_it_did(tmp_path: Path) -> None:
    terms, encoder = CostBudgetRange(0.02, 0.8, 3), ConfidenceEncoder()
    made = undecided(UniversalActor(encoder, WIDTH, terms), seen(64))
    value_head = UniversalValue(encoder, WIDTH, terms)
    state = {
        "encoder": "confidence",
        "width": WIDTH,
        "terms": {"low": 0.02, "high": 0.8, "most": 3},
        "actor": former(made.state_dict()),
        "forecast": former(value_head.state_dict()),
    }
    save_state(tmp_path / "r" / "checkpoint", {"switcher": state, "step": 10})
    loaded = Switcher.load(tmp_path / "r", RandomModel(), RandomModel())
    assert isinstance(loaded, LearnedSwitcher) and loaded.supported == terms
    expected = LearnedSwitcher(made, "confidence", supported=terms, value_head=value_head)
    rows = seen(64)
    np.testing.assert_array_equal(
        loaded.call_probability(rows, everywhere(64)),
        expected.call_probability(rows, everywhere(64)),
    )
    np.testing.assert_array_equal(loaded.expect(rows).returns, expected.expect(rows).returns)
    np.testing.assert_array_equal(loaded.expect(rows).calls, expected.expect(rows).calls)


# What it expects.


def test_what_a_call_gains_and_how_many_more_follow_on_it() -> None:
    said = Expectation(np.array([[0.25, 0.75]]), np.array([[1.0, 3.0]]))
    assert said.gain.tolist() == [0.5] and said.more_calls.tolist() == [2.0]


def test_a_cost_or_budget_outside_of_its_range_is_refused() -> None:
    made = LearnedSwitcher(actor(), "confidence", supported=CostBudgetRange(0.02, 0.8, 3))
    made.check_supported(0.02, Budget(3))
    made.check_supported(0.8, Budget())
    for cost, budget in ((0.01, Budget()), (0.1, Budget(4))):
        with pytest.raises(InvalidConfig, match="expected one that the Switcher was trained for"):
            made.check_supported(cost, budget)
    ConstantSwitcher(0.5).check_supported(9.0, Budget(99))  # any

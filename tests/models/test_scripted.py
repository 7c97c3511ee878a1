"""Players without weights: what they choose, and what they say of it."""

from __future__ import annotations

from collections import Counter
from math import log

import pytest

from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, ModelError
from londi.models.registry import load_model
from londi.models.scripted import WRONG, ErringExpert, ExpertModel, RandomModel
from londi.types import Reply, Usage

THREE = Prompt("go", ("left", "right", "on"), ("a wall",))
TWO = Prompt("go", ("push", "pull"), ("a door",))
FREE = Prompt("go", (), ("a door",))
"""A state in which any text is an action."""


def test_every_action_is_drawn_equally_often() -> None:
    drawn = Counter(reply.action for reply in RandomModel(0).act([THREE] * 3000))
    # A thousand each; 26 is the standard deviation of a count.
    assert drawn.keys() == {"left", "right", "on"}
    assert all(abs(count - 1000) < 4 * 26 for count in drawn.values())


def test_an_action_is_drawn_from_those_of_its_own_prompt() -> None:
    replies = RandomModel(0).act([THREE, TWO] * 20)
    for three, two in zip(replies[::2], replies[1::2], strict=True):
        assert three.action in THREE.actions and two.action in TWO.actions
        assert (three.logprob, three.confidence) == (-log(3), 1 / 3)
        assert (two.logprob, two.confidence) == (-log(2), 0.5)


def test_the_draws_are_those_of_the_seed() -> None:
    one, again, other = (RandomModel(seed).act([THREE] * 40) for seed in (5, 5, 6))
    assert one == again != other


def test_a_restored_generator_draws_the_same_again() -> None:
    model = RandomModel(5)
    model.act([THREE] * 7)
    state = model.state()
    first = model.act([THREE] * 40)
    assert model.state() != state, "what was saved stays as it was"
    other = RandomModel(6)
    other.load_state(state)
    assert other.act([THREE] * 40) == first


def test_without_a_state_nothing_is_restored() -> None:
    model = RandomModel(5)
    model.load_state(None)
    assert model.act([THREE] * 40) == RandomModel(5).act([THREE] * 40)


def test_without_actions_there_is_nothing_to_draw_from() -> None:
    with pytest.raises(ModelError, match="'random' needs a list of possible actions"):
        RandomModel().act([THREE, FREE])


def test_the_expert_does_what_it_is_advised() -> None:
    advised = Prompt(TWO.goal, TWO.actions, TWO.observations, expert="pull")
    anything = Prompt(FREE.goal, FREE.actions, FREE.observations, expert="open the door")
    replies = ExpertModel().act([advised, anything])
    assert [reply.action for reply in replies] == ["pull", "open the door"]


def test_without_advice_the_expert_takes_the_first_action() -> None:
    assert [reply.action for reply in ExpertModel().act([TWO, THREE, FREE])] == ["push", "left", ""]


def test_the_expert_is_sure_of_itself() -> None:
    assert ExpertModel().act([THREE]) == [Reply("left", 0.0, 1.0, Usage(1))]


def test_an_answer_counts_as_one_call_that_took_nothing() -> None:
    for model in (RandomModel(), ExpertModel()):
        assert [reply.usage for reply in model.act([THREE, TWO])] == [Usage(calls=1)] * 2


def test_neither_is_a_function_of_the_text_alone() -> None:
    """So that no answer of theirs is kept: the expert's advice is no part of the text."""
    assert RandomModel().fingerprint is None and ExpertModel().fingerprint is None


def advised(action: str, actions: tuple[str, ...] = (), seen: str = "a door") -> Prompt:
    return Prompt("go", actions, (seen,), expert=action)


CALLS = [f"tool{k}(a='b')" for k in range(1000)]


def test_an_expert_errs_in_its_share_of_the_kinds_of_actions() -> None:
    # 300 of 1,000; 14 is the standard deviation of the count.
    assert 250 < sum(ErringExpert(0.3).errs(advised(call)) for call in CALLS) < 350
    assert not any(ErringExpert(0).errs(advised(call)) for call in CALLS)
    assert all(ErringExpert(1).errs(advised(call)) for call in CALLS)


def test_where_it_errs_does_not_depend_on_what_follows_the_first_word() -> None:
    wrong = [ErringExpert(0.3).errs(advised(call)) for call in CALLS]
    other = [advised(call.replace("'b'", "'other'"), seen="a wall") for call in CALLS]
    assert wrong == [ErringExpert(0.3).errs(prompt) for prompt in other]
    more = [ErringExpert(0.5).errs(advised(call)) for call in CALLS]
    assert all(later or not first for first, later in zip(wrong, more, strict=True))


def test_it_does_another_action_or_says_that_it_does_not_know() -> None:
    prompts = [
        advised("push", ("push", "pull")),
        advised("pull", ("push", "pull")),
        advised("cd()"),
    ]
    assert [r.action for r in ErringExpert(1).act(prompts)] == ["pull", "push", WRONG]
    assert [r.action for r in ErringExpert(0).act(prompts)] == ["push", "pull", "cd()"]


def test_without_advice_it_does_as_the_expert() -> None:
    assert ErringExpert(1).act([TWO, FREE]) == ExpertModel().act([TWO, FREE])


def test_it_is_as_sure_of_itself_as_the_expert() -> None:
    (right,), (wrong,) = (ErringExpert(share).act([advised("cd()")]) for share in (0, 1))
    assert (right.logprob, right.confidence) == (wrong.logprob, wrong.confidence) == (0.0, 1.0)
    assert ErringExpert(0.3).fingerprint is None


def test_it_is_loaded_by_its_share() -> None:
    model = load_model("expert:0.3")
    assert isinstance(model, ErringExpert) and model.name == "expert:0.3"
    assert load_model("expert").name == "expert"


@pytest.mark.parametrize("share", ["", "many", "1.5", "-0.1", "nan"])
def test_what_is_no_share_is_refused(share: str) -> None:
    with pytest.raises(InvalidConfig, match=r"expert:SHARE: expected a share from 0 to 1, got "):
        load_model(f"expert:{share}")

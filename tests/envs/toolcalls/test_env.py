"""The environment of tool calls: turns, rewards, limits, and bfcl_eval's own verdict."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from typing import Any

import gymnasium as gym
import pytest

from envs.toolcalls.test_tasks import named
from londi.envs.checker import inspect_env
from londi.envs.registry import make_env
from londi.envs.seeds import HELD_OUT, SWITCHING, VALIDATION
from londi.envs.toolcalls.tasks import CATEGORIES, tasks
from londi.errors import InvalidConfig, UnknownName

NAME = "londi/ToolCalls-v0"


def made(**options: Any) -> gym.Env[str, str]:
    return make_env(NAME, **options)


def begun(name: str, **options: Any) -> tuple[gym.Env[str, str], str, dict[str, Any]]:
    """The environment at the start of that task's episode."""
    category = name.removeprefix("multi_turn_").rpartition("_")[0]
    for split in ("train", "dev", "test"):
        names = [task.name for task in tasks((category,), split)]
        if name in names:
            env = made(category=category, split=split, **options)
            return env, *env.reset(seed=names.index(name))
    raise AssertionError(name)


def advised(env: gym.Env[str, str], seed: int) -> Iterator[tuple[str, float, bool, bool, Any]]:
    """The steps of an episode that follows the expert."""
    _, info = env.reset(seed=seed)
    while True:
        told = env.step(info["expert"])
        yield told
        info = told[4]
        if told[2] or told[3]:
            return


def test_it_follows_the_contract() -> None:
    for category in CATEGORIES:
        options: dict[str, Any] = {"category": category, "expert": True}
        report = inspect_env(made(**options), 3, made(**options))
        assert report.faults == ()
        assert [hint.what.partition(" is")[0] for hint in report.hints] == [
            "metadata['restorable']"
        ]


def test_a_conversation_from_beginning_to_end() -> None:
    env, observation, info = begun("multi_turn_base_0")
    assert observation == f"User: {info['goal']}" and info["actions"] == ()
    assert info["goal"].startswith("Move 'final_report.pdf' within document directory to 'temp'")
    assert "cd(folder: str)\n" in info["functions"]
    assert "expert" not in info
    observation, reward, *ends, info = env.step("cd(folder='document')")
    assert observation == 'Result: {"current_working_directory": "document"}'
    assert (reward, ends, info["turn"]) == (0.0, [False, False], 0)
    env.step("[mkdir('temp')]")
    env.step("mv(source='final_report.pdf', destination='temp')")
    observation, reward, *ends, info = env.step("I have moved it.")
    assert observation == f"User: {info['goal']}"
    assert info["goal"].startswith("Perform a detailed search using grep")
    assert (reward, ends, info["turn"], info["passed"]) == (0.25, [False, False], 1, 1)
    env.step("cd(folder='temp')")
    observation, reward, *_ = env.step("Not found.")  # without the search that was asked for
    assert reward == 0.0
    env.step("sort('final_report.pdf')")
    assert env.step("Sorted.")[1] == 0.25
    for text in named("multi_turn_base_0").solution[3]:
        env.step(text)
    observation, reward, *ends, info = env.step("Compared.")
    assert (observation, reward) == ("The conversation is over.", 0.25)
    assert (ends, info["passed"], info["success"]) == ([True, False], 3, False)


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_expert_passes_every_turn_of_every_held_out_task(category: str) -> None:
    env = made(category=category, expert=True)
    for seed in range(HELD_OUT, HELD_OUT + 40):
        told = list(advised(env, seed))
        assert sum(reward for _, reward, *_ in told) == pytest.approx(1)
        assert told[-1][2] and told[-1][4]["success"] and told[-1][4]["expert"] is None


def test_forty_held_out_seeds_are_forty_tasks_and_no_split_shares_one() -> None:
    env = made(category=["base", "long_context"])
    played = [
        {env.reset(seed=seed)[1]["task"] for seed in range(first, first + number)}
        for first, number in ((0, 240), (SWITCHING, 240), (VALIDATION, 80), (HELD_OUT, 80))
    ]
    assert list(map(len, played)) == [240, 240, 80, 80]
    assert played[0] == played[1] and not (played[0] & played[2] | played[0] & played[3])
    scenarios = [{name.rpartition("_")[2] for name in names} for names in played]
    assert not (scenarios[0] & scenarios[3] or scenarios[2] & scenarios[3])


def test_an_ill_formed_call_is_an_error_in_the_same_turn() -> None:
    env, *_ = begun("multi_turn_base_0", expert=True)
    for text in ("cd(folder=document)", "cd(folder='document'", "[cd('a'), ls()]"):
        observation, reward, terminated, truncated, info = env.step(text)
        assert observation.startswith("Result: Error: expected ")
        assert (reward, terminated, truncated) == (0.0, False, False)
        assert info["turn"] == 0 and info["expert"] == "cd(folder='document')"


def test_no_text_is_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    env, *_ = begun("multi_turn_base_0")
    for text in ("cd(folder=print('evaluated'))", "print('evaluated')", "exit()", "kill(1)"):
        assert env.step(text)[0].startswith("Result: Error")
    assert capsys.readouterr().out == ""


def test_turns_in_which_nothing_can_be_done_pass_with_a_message() -> None:
    env, *_ = begun("multi_turn_miss_func_0", expert=True)
    rewards, functions = [], []
    _, info = env.reset(seed=0)
    env, _, info = begun("multi_turn_miss_func_0", expert=True)
    while True:
        functions.append("sort(" in info["functions"])
        _, reward, terminated, _, info = env.step(info["expert"])
        rewards.append(reward)
        if terminated:
            break
    assert sum(rewards) == pytest.approx(1) and [r for r in rewards if r] == [0.2] * 5
    assert functions == [False] * 8 + [True] * (len(functions) - 8)


def test_a_turn_that_does_not_end_ends_the_episode() -> None:
    env, *_ = begun("multi_turn_base_0", turn_limit=3)
    assert [env.step("ls()")[2:4] for _ in range(3)] == [(False, False)] * 2 + [(False, True)]
    env.reset(seed=0)
    for _ in range(2):
        env.step("ls()")
    assert env.step("Done.")[2:4] == (False, False), "the next turn has steps of its own"
    assert env.step("ls()")[2:4] == (False, False)


def test_an_episode_is_cut_off_at_its_limit() -> None:
    env, *_ = begun("multi_turn_base_0", limit=4)
    assert env.unwrapped.metadata["horizon"] == 4
    assert [env.step("ls()")[3] for _ in range(4)] == [False, False, False, True]
    env, *_ = begun("multi_turn_base_0", limit=4)
    assert [env.step("No.")[2:4] for _ in range(4)][-1] == (True, False), "it ended by itself"


def test_documentation_has_three_lengths() -> None:
    lengths = [
        len(begun("multi_turn_base_0", docs=docs)[2]["functions"])
        for docs in ("signatures", "sentences", "full")
    ]
    assert lengths == sorted(lengths) and lengths[2] > 5 * lengths[0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"category": "bse"}, UnknownName, "unknown category 'bse'; did you mean 'base'"),
        ({"category": ["base", "x"]}, UnknownName, "unknown category 'x'"),
        ({"category": []}, InvalidConfig, r"category: expected a name or a list of them, got \[\]"),
        ({"category": 3}, InvalidConfig, "category: expected a name or a list of them, got 3"),
        ({"split": "tset"}, UnknownName, "unknown split 'tset'; did you mean 'test'"),
        ({"split": ""}, UnknownName, "unknown split ''"),
        ({"split": 0}, UnknownName, "unknown split '0'"),
        ({"expert": "no"}, InvalidConfig, "expert: expected True or False, got 'no'"),
        ({"docs": "short"}, UnknownName, "unknown docs 'short'"),
        ({"limit": 0}, InvalidConfig, "limit: expected a whole number >= 1, got 0"),
        ({"turn_limit": True}, InvalidConfig, "turn_limit: expected a whole number >= 1, got True"),
        ({"categry": "base"}, UnknownName, "unknown option of londi/ToolCalls-v0 'categry'"),
    ],
)
def test_options_that_do_not_exist_are_refused_in_one_line(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        made(**options)
    assert "\n" not in str(raised.value)


def test_copies_do_not_disturb_each_other() -> None:
    """bfcl_eval keeps one instance for each task in a module; here each episode has its own."""
    alone = [told[0] for told in advised(made(expert=True), 7)]
    one, other = made(expert=True), made(expert=True)
    ways = zip(advised(one, 7), advised(other, 7), strict=True)
    pairs = [(first[0], second[0]) for first, second in ways]
    assert pairs == [(text, text) for text in alone]


NUMBER = count()


def verdict(name: str, turns: list[list[str]]) -> bool:
    """What bfcl_eval says of these calls, one a step, by turns."""
    from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import multi_turn_checker

    task = named(name)
    entry = {
        "id": name,
        "initial_config": task.config,
        "involved_classes": list(task.apis),
    }
    found = multi_turn_checker(
        [[[call] for call in turn] for turn in turns],
        [list(turn) for turn in task.solution],
        entry,
        "",
        f"model{next(NUMBER)}",  # its instances are kept by this name
    )
    return bool(found["valid"])


@pytest.mark.parametrize("category", CATEGORIES)
def test_success_is_what_bfcl_eval_says_of_right_and_of_spoilt_solutions(category: str) -> None:
    rng = random.Random(category)
    said = []
    for number in range(0, 200, 5):
        name = f"multi_turn_{category}_{number}"
        turns = [list(turn) for turn in named(name).solution]
        spoilt = rng.choice([turn for turn in turns if turn])
        place = rng.randrange(len(spoilt))
        match rng.randrange(5):
            case 0:
                spoilt.pop(place)
            case 1:
                spoilt.insert(place, spoilt[place])
            case 2:
                rng.shuffle(spoilt)
            case 3:
                spoilt[place] = spoilt[place].replace("'", "'x", 1)
            case _:
                spoilt.insert(place, "fly()")
        env, *_ = begun(name)
        for turn in turns:
            for text in turn:
                env.step(text)
            info = env.step("Done.")[4]
        assert info["success"] == verdict(name, turns), (name, turns)
        said.append(info["success"])
    assert 5 < sum(said) < 35, "both verdicts are among them"

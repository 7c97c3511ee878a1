"""Texts that grow chunk by chunk: where a chunk ends, where a text ends, what it is worth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from londi import check_env, make_env
from londi.envs.contract import Traits
from londi.envs.episode import TextEpisode
from londi.envs.generate.prompt import WritingPrompt
from londi.envs.seeds import HELD_OUT, VALIDATION
from londi.errors import InvalidConfig, UnknownName

Make = Callable[..., gym.Env[str, str]]

SOLVED = "2+3=5\n5*4=20\n20"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make an environment of one task in three splits; takes options."""
    task = {"prompt": "(2 + 3) * 4 =", "answer": "20", "solution": SOLVED}
    lines = [json.dumps(task | {"split": split}) for split in ("train", "dev", "test")]
    (tmp_path / "tasks.jsonl").write_text("\n".join(lines))

    def made(**options: Any) -> gym.Env[str, str]:
        given = {"tasks": str(tmp_path / "tasks.jsonl"), "scorer": "exact"} | options
        return make_env("londi/Generate-v0", **given)

    return made


def test_a_text_grows_line_by_line_and_is_scored_at_its_end(make: Make) -> None:
    env = make()
    text, info = env.reset(seed=0)
    assert text == "" and info["goal"] == "(2 + 3) * 4 =" and info["actions"] == ()
    assert info["chunk"] == {"stops": ["\n"], "tokens": 256}
    assert env.step("2+3=5\n")[:4] == ("2+3=5\n", 0.0, False, False)
    assert env.step("5*4=20\n")[:4] == ("2+3=5\n5*4=20\n", 0.0, False, False)
    text, reward, terminated, truncated, info = env.step("20")
    assert (text, reward, terminated, truncated) == (SOLVED, 1.0, True, False)
    assert info["success"] is True


@pytest.mark.parametrize("last", ["21", ""])
def test_a_wrong_text_and_one_that_breaks_off_are_worth_nothing(make: Make, last: str) -> None:
    env = make()
    env.reset(seed=0)
    env.step("2+3=5\n")
    _, reward, terminated, _, info = env.step(last)
    assert (reward, terminated, info["success"]) == (0.0, True, False)


@pytest.mark.parametrize(
    ("chunk", "action", "done", "goes_on"),
    [
        ("line", "one\ntwo\n", "one\n", True),
        ("line", "one\n\n\ntwo", "one\n\n\n", True),  # line breaks behind a line are kept
        ("line", "\nfirst a blank line", "\n", True),
        ("line", "    indented\n    more", "    indented\n", True),
        ("line", "no line break", "no line break", False),
        ("sentence", "It is 3.5 m. It is long.", "It is 3.5 m. ", True),
        ("sentence", "Is it? Yes", "Is it? ", True),
        ("sentence", "The end.", "The end.", False),
        ("sentence", "A line\nand more. ", "A line\n", True),
        (2, " three words here", " three words", True),
        (2, " ", " ", True),
        (2, "", "", False),
    ],
)
def test_what_goes_on_behind_a_chunk_is_cut_off(
    make: Make, chunk: str | int, action: str, done: str, goes_on: bool
) -> None:
    env = make(chunk=chunk)
    env.reset(seed=0)
    text, _, terminated, _, info = env.step(action)
    assert (text, terminated) == (done, not goes_on)
    assert info.get("substituted_action") == (done if done != action else None)


def test_a_line_of_more_words_than_tokens_ends_the_text(make: Make) -> None:
    env = make(most_tokens=3)
    env.reset(seed=0)
    text, _, terminated, _, info = env.step("one two three four\n")
    assert text == info["substituted_action"] == "one two three" and terminated


def test_the_bound_of_chunks_ends_the_text_which_is_scored(make: Make) -> None:
    env = make(most_chunks=2)
    assert Traits.of(env).horizon == 2
    env.reset(seed=0)
    assert not env.step("a\n")[2]
    assert env.step("20\n")[1:4] == (1.0, True, False)


def test_the_expert_follows_a_solution_as_long_as_the_text_begins_it(make: Make) -> None:
    env = make(expert=True)
    _, info = env.reset(seed=0)
    done, advice = False, []
    while not done:
        advice.append(info["expert"])
        _, reward, done, _, info = env.step(info["expert"])
    assert advice == ["2+3=5\n", "5*4=20\n", "20"] and reward == 1.0
    env.reset(seed=0)
    assert env.step("2+3=6\n")[4]["expert"] is None
    assert "expert" not in make().reset(seed=0)[1]


def test_an_expert_of_tokens_gives_words_and_ends_with_nothing(make: Make) -> None:
    env = make(expert=True, chunk=1)
    _, info = env.reset(seed=0)
    advice, done = [], False
    while not done:
        advice.append(info["expert"])
        _, reward, done, _, info = env.step(info["expert"])
    assert advice == ["2+3=5", "\n5*4=20", "\n20", ""] and reward == 1.0


def test_a_prompt_shows_the_task_and_all_that_stands(make: Make) -> None:
    episode = TextEpisode(make())
    episode.start(0)
    for line in ("2+3=5\n", "5*4=20\n", "20=20\n", "again\n"):
        episode.step(line)
    prompt = episode.prompt()
    written = "2+3=5\n5*4=20\n20=20\nagain\n"
    assert isinstance(prompt, WritingPrompt)
    assert prompt.chat() == ("(2 + 3) * 4 =", written)
    assert prompt.text() == f"(2 + 3) * 4 =\n{written}" == prompt.recent(1).text()
    assert prompt.chunk and prompt.chunk.stops == ("\n",)


def test_a_task_that_ends_in_white_space_is_continued_right_there() -> None:
    assert WritingPrompt("def f():\n", (), ("    pass\n",)).text() == "def f():\n    pass\n"
    assert WritingPrompt("Host: ", (), ("Yes",)).text() == "Host: Yes"


def test_it_keeps_the_contract_in_each_split(make: Make) -> None:
    for chunk in ("line", "sentence", 3):
        for seed in (0, VALIDATION, HELD_OUT):
            check_env(make(chunk=chunk), seed=seed)
    traits = Traits.of(make())
    assert traits.returns == (0.0, 1.0) and not traits.waits and not traits.lists_actions


def test_an_episode_without_a_seed_is_one_of_training(make: Make) -> None:
    assert make().reset()[1]["goal"] == "(2 + 3) * 4 ="


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"chunk": "word"},
            "chunk: expected line, sentence or a number of tokens from 1 to 1000000, got",
        ),
        ({"chunk": 0}, "got 0"),
        ({"chunk": 10**30}, "got 1000"),
        ({"most_tokens": 10**30}, "got 1000"),
        ({"expert": "no"}, "expert: expected True or False, got 'no'"),
        ({"scorer": ["exact"]}, "unknown scorer \"['exact']\"; did you mean 'exact'?"),
        ({"chunk": True}, "got True"),
        ({"chunk": 2.5}, "got 2.5"),
        ({"most_chunks": 0}, "most_chunks: expected a whole number from 1 to 1000000, got 0"),
        ({"most_tokens": "9"}, "most_tokens: expected a whole number from 1 to 1000000, got '9'"),
        ({"most_seconds": 0}, "most_seconds: expected a number > 0, got 0"),
        ({"tasks": ""}, "tasks: expected a file of JSON lines, reasoning-gym:NAME or module:"),
        ({"scorer": ""}, "scorer: expected exact, numeric, rouge-l, tests, reasoning-gym or mod"),
        ({"task_options": {"a": 1}}, "task_options: a file takes none"),
        ({"task_options": [1]}, "task_options: expected options by name"),
        ({"scorer_options": [1]}, "scorer_options: expected options by name"),
        ({"task_options": []}, "task_options: expected options by name, got []"),
        ({"scorer_options": ""}, "scorer_options: expected options by name, got ''"),
    ],
)
def test_a_wrong_option_is_one_line(make: Make, options: dict[str, Any], said: str) -> None:
    with pytest.raises((InvalidConfig, UnknownName)) as caught:
        make(**options)
    assert said in str(caught.value) and "\n" not in str(caught.value)

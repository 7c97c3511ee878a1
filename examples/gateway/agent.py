"""An agent that plays ScienceWorld with OpenAI's client. It takes the address of any API.

    python agent.py --base-url http://127.0.0.1:8080/v1 --plan plan.txt

A line of the plan is the seed of an episode and the name of its session, such as `7 mine-7`.

It names the session of each episode in a header, and tells what the episode was worth.
"""

from __future__ import annotations

import argparse
import json
import threading
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from openai import OpenAI
from turns import begin, write_turn

from londi import make_env  # the game; nothing else of the package

GAME = "londi/ScienceWorld-v0"
TASKS = (
    "find-animal",
    "find-living-thing",
    "find-non-living-thing",
    "find-plant",
    "lifespan-longest-lived",
    "lifespan-longest-lived-then-shortest-lived",
    "lifespan-shortest-lived",
)
LIMIT = 50
"""Steps of an episode."""


class Agent:
    """Plays episodes.

    Args:
        base_url: address of the API.
        model: its name there.
        header: name of the header that names a session.
    """

    def __init__(self, base_url: str, model: str, header: str) -> None:
        self._client = OpenAI(base_url=base_url, api_key="none", max_retries=1)
        self._feedback = f"{base_url}/feedback"
        self._model, self._header = model, header

    def play(self, game: Any, seed: int, session: str) -> int:
        """Play an episode, and tell its return; the number of steps."""
        observation, info = game.reset(seed=seed)
        messages: list[Any] = [*begin(info["goal"]), write_turn(observation, info)]
        total, steps, ended = 0.0, 0, False
        while not ended:
            answer = self._client.chat.completions.create(
                model=self._model, messages=messages, extra_headers={self._header: session}
            )
            action = answer.choices[0].message.content or ""
            observation, reward, terminated, truncated, info = game.step(action)
            messages += [{"role": "assistant", "content": action}, write_turn(observation, info)]
            total, steps, ended = total + reward, steps + 1, terminated or truncated
        if "aborted" not in info:  # an episode that the simulator lost is worth nothing known
            self._tell(session, total)
        return steps

    def _tell(self, session: str, value: float) -> None:
        told = json.dumps({"session": session, "value": value}).encode()
        request = urllib.request.Request(self._feedback, told, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()


def play_all(agent: Agent, episodes: Iterable[tuple[int, str]], steps: float, workers: int) -> None:
    """Play the episodes, `workers` side by side, until `steps` are made.

    Args:
        agent: plays.
        episodes: the seed of each, and the name of its session.
        steps: steps after which no episode is begun.
        workers: games at a time, each a Java program.
    """
    waiting, made, lock = iter(episodes), 0, threading.Lock()

    def work() -> None:
        nonlocal made
        game = make_env(GAME, tasks=list(TASKS), limit=LIMIT)
        try:
            while True:
                with lock:
                    following = next(waiting, None) if made < steps else None
                if following is None:
                    return
                played = agent.play(game, *following)
                with lock:
                    made += played
        except BaseException:
            with lock:
                made = float("inf")  # the others end after their episodes
            raise
        finally:
            game.close()

    with ThreadPoolExecutor(workers) as pool:
        try:
            for done in [pool.submit(work) for _ in range(workers)]:
                done.result()
        except BaseException:  # Ctrl-C is for this thread alone
            with lock:
                made = float("inf")
            raise


def read_plan(file: Path) -> list[tuple[int, str]]:
    """The seed of each episode, and the name of its session."""
    lines = (line.split() for line in file.read_text().splitlines())
    return [(int(seed), session) for seed, session in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--header", default="x-londi-session", help="names the session")
    parser.add_argument("--plan", type=Path, required=True, help="lines `SEED SESSION`")
    parser.add_argument("--steps", type=float, default=float("inf"), help="no more are begun then")
    parser.add_argument("--workers", type=int, default=4)
    given = parser.parse_args()
    agent = Agent(given.base_url, given.model, given.header)
    play_all(agent, read_plan(given.plan), given.steps, given.workers)


if __name__ == "__main__":
    main()

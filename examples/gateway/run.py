"""The example from end to end: stages that each leave a file, and go on where they were stopped.

This file knows the order of the stages, and how each is started.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import inf
from pathlib import Path
from typing import Any

from closing import print_closing
from figures import plan, read_sessions, seed_of
from servers import HERE, MODELS, SERVE, gateway, serving

from londi.envs.seeds import HELD_OUT, SWITCHING

MOST = 20_000
"""Episodes of a round; each training seed has episodes of its own."""
EXPLORED = HELD_OUT + 1_000_000
"""First seed of the rounds that explore; those from HELD_OUT on are played once it is on."""
COST_RANGE = "[0.0005, 0.02]"
"""As in configs/sweeps/scienceworld_universal.yaml."""


class Example:
    """The stages.

    Args:
        given: the options.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self._given, self._out = given, given.out
        self._out.mkdir(parents=True, exist_ok=True)
        self._servers, self._models = ExitStack(), ""

    def run(self) -> None:
        """Make all stages."""
        given = self._given
        switcher = {"switcher": str(self._out / "switcher.onnx")}
        with self._servers:
            with stage("1: traces of coin tosses"):
                tosses = self._seeds(SWITCHING, given.steps)
                self._play("traces", tosses, given.steps, switcher="random:0.5", keep_texts=True)
            with stage("2: a Switcher that learns from them"):
                self._train()
            with stage("3: the Switcher in front of new episodes, with exploration"):
                seeds = self._seeds(EXPLORED, given.explored)
                self._play("live", seeds, exploration=given.exploration, **switcher)
            with stage("4: an estimate of the Switcher without exploration"):
                self._estimate()
            with stage("5: the Switcher is on, beside a control group"):
                seeds = self._seeds(HELD_OUT, given.episodes)
                self._play("on", seeds, rollout={"control": given.control}, **switcher)
                self._londi("traces", "show", str(self._traces("on")))
            if given.beside:
                self._beside()
        print_closing(self._out)

    def _beside(self) -> None:
        """DEEPTHINK alone, and a coin of the same call rate, on the episodes of the Switcher."""
        treated = [one for one in read_sessions(self._traces("on")) if one.arm == "treated"]
        seeds = [seed_of(one.name) for one in treated]
        rate = sum(one.calls for one in treated) / sum(one.steps for one in treated)
        with stage("6: DEEPTHINK alone on the same episodes, and a coin"):
            self._play("deepthink", seeds, switcher="always-deepthink")
            self._play("coin", seeds, switcher=f"random:{rate:.4f}")
        if self._given.switchyard:
            with stage("7: Switchyard's stage router on the same episodes"):
                command = [str(HERE / "stage.py"), "--switchyard", self._given.switchyard]
                command += ["--traces", str(self._traces("traces")), "--rate", f"{rate:.4f}"]
                self._play("stage", seeds, command=command, switcher="always-quick")

    def _seeds(self, first: int, episodes: int) -> range:
        """Seeds of the episodes of a round, which no other training seed plays."""
        first += MOST * self._given.seed
        return range(first, first + episodes)

    def _traces(self, name: str) -> Path:
        return self._out / f"{name}.db"

    def _play(
        self,
        name: str,
        seeds: Sequence[int],
        steps: float = inf,
        command: Sequence[str] = SERVE,
        **settings: Any,
    ) -> None:
        """Let the agent play what is missing of a round: these seeds, or so many steps of them."""
        file, listed = self._traces(name), self._out / f"{name}.txt"
        done, left = read_sessions(file), plan(file, name, seeds)
        missing = steps - sum(one.steps for one in done)
        if not left or missing <= 0:
            return print(f"{len(done)} sessions are there")
        listed.write_text("".join(f"{seed} {session}\n" for seed, session in left))
        settings |= {"traces": str(file), "seed": self._given.seed}
        settings |= {model: spec | {"base_url": self._url} for model, spec in MODELS.items()}
        with gateway(settings, name, self._out, command) as url:
            agent = [str(HERE / "agent.py"), "--base-url", url, "--plan", str(listed)]
            limits = ["--steps", str(missing), "--workers", str(self._given.workers)]
            run([sys.executable, *agent, *limits])

    @property
    def _url(self) -> str:
        """Address of the models, which are started when they are first needed."""
        if not self._models:
            command = [str(HERE / "models.py"), "--cache", str(self._given.cache)]
            self._models = self._servers.enter_context(serving(command, self._out / "models.log"))
        return self._models

    def _train(self) -> None:
        folder, file = self._out / "switcher", self._out / "switcher.onnx"
        if file.exists():
            return print(f"{file} is there")
        settings = ["--traces", str(self._traces("traces")), "--cost", str(self._given.cost)]
        settings += ["--cost_range", COST_RANGE, "--seed", str(self._given.seed)]
        self._londi("train", *settings, "--out", str(folder), "--overwrite")
        self._londi("export", str(folder), "--out", str(file))

    def _estimate(self) -> None:
        folder = self._out / "estimate"
        if (folder / "estimate.json").exists():
            return print(f"{folder} is there")
        command = ["ope", str(self._traces("live")), "--switcher", str(self._out / "switcher")]
        # Where the traces cannot answer it says so, and the rest goes on.
        self._londi(*command, "--out", str(folder), "--overwrite", codes=(0, 1))

    def _londi(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> None:
        run([sys.executable, "-m", "londi", *arguments], codes)


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Print what is done, and how long it took."""
    print(f"== {title}", flush=True)
    start = time.monotonic()
    yield
    print(f"   {time.monotonic() - start:.0f} s", flush=True)


def run(command: Sequence[str], codes: tuple[int, ...] = (0,)) -> None:
    """Run a command; what it says is shown.

    Raises:
        SystemExit: with its exit code, unless that is among `codes`.
    """
    code = subprocess.run(command).returncode
    if code not in codes:
        raise SystemExit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])

    def option(name: str, default: Any, what: str) -> None:
        told = f"{what} (default: {default}, or {name.upper()})"
        value = type(default)(os.environ.get(name.upper(), default))
        parser.add_argument(f"--{name}", type=type(default), default=value, help=told)

    option("out", Path("runs/gateway"), "folder of all that is made")
    option("cache", Path("runs/gateway/answers.db"), "file of the models' answers")
    option("steps", 12_000, "steps of traces to learn from")
    option("explored", 300, "episodes with exploration, for the estimate")
    option("episodes", 400, "episodes once the Switcher is on")
    option("cost", 0.015, "c, in units of the return")
    option("exploration", 0.1, "share of random choices in the round for the estimate")
    option("control", 0.25, "share of the sessions that stay on DEEPTHINK")
    option("beside", 1, "0 leaves DEEPTHINK alone and the coin out")
    option("switchyard", "", "Python that has nemo-switchyard, for its stage router")
    option("workers", 4, "games side by side, 350 MB each")
    option("seed", 0, "seed of the training, and which episodes are played")
    given = parser.parse_args()
    if max(given.steps, given.explored, given.episodes) > MOST:
        parser.error(f"expected at most {MOST:,} steps and episodes")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are ended
    Example(given).run()


if __name__ == "__main__":
    main()

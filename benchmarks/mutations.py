"""Break the learning and the switching on purpose, one place at a time, and see what the tests say.

    python benchmarks/mutations.py [--jobs N] [--only WORD] [--out FILE]

Each mutation changes one line in a copy of `src`, and only the test files that are named with it
run on that copy. It is noticed if one of them fails. Outcomes are kept in FILE
(`build/mutations.json`) and not found out again until the source or those tests change, so that an
interrupted run goes on. Exit code 1 if fewer than nine in ten are noticed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIMIT = 900
"""Seconds that the tests of a mutation may take."""
NEEDED = 0.9
GOOD = ("noticed", "not noticed")
"""Outcomes that need not be found out again."""

WIRING = "tests/learning/test_wiring.py"
ROLLOUT = "tests/switching/test_rollout.py"
ALGORITHMS = "tests/learning/test_algorithms.py"
SAC = "tests/learning/test_sac.py"
UNIVERSAL = "tests/learning/test_universal.py"
PRIVILEGED = "tests/learning/test_privileged.py"
REPLAY = "tests/learning/test_replay.py"
STATISTICS = "tests/learning/test_statistics.py"
BUDGET = "tests/switching/test_budget.py"
DECISION = "tests/switching/test_decision.py"
ENV = "tests/switching/test_env.py"
ENV_EPISODES = "tests/switching/test_env_episodes.py"
NETWORKS = "tests/switching/test_networks.py"
OBSERVATION = "tests/switching/test_observation.py"
SWITCHER = "tests/switching/test_switcher.py"
EFFECTS = "tests/switching/test_effects.py"
R_LEARNER = "tests/learning/test_rlearner.py"

SLOW = "not exact and not more_than_the_actor and not brings_the_policy"
"""Left out: trainings to convergence, which would notice much, and late."""


@dataclass(frozen=True)
class Mutation:
    """One break.

    Attributes:
        name: what is wrong then.
        file: below `src/londi`.
        old: a text that stands there once.
        new: the text in its place.
        tests: the files that ought to notice.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    # The training loop.
    Mutation(
        "no exploration in training",
        "learning/trainer.py",
        "share = 1.0 if exploring else config.exploration",
        "share = 1.0 if exploring else 0.0",
        (WIRING,),
    ),
    Mutation(
        "learning begins in the warm-up",
        "learning/trainer.py",
        "self._learner.draw(0 if exploring else due, self._rng)",
        "self._learner.draw(due, self._rng)",
        (WIRING,),
    ),
    Mutation(
        "a batch is drawn before the last step is stored",
        "learning/trainer.py",
        "        self._learner.add(transitions)\n",
        "        if late := getattr(self, '_late', None):\n"
        "            self._learner.add(late)\n"
        "        self._late = transitions\n",
        (WIRING,),
    ),
    Mutation(
        "a resumed training draws other numbers",
        "learning/trainer.py",
        '        self._rng.bit_generator.state = state["rng"]\n',
        "",
        (WIRING,),
    ),
    # One step of an episode.
    Mutation(
        "the critics' next privileged input is that of the new episode",
        "switching/rollout.py",
        'next_privileged=_final(told, "privileged", ended)',
        'next_privileged=told["privileged"]',
        (WIRING,),
    ),
    Mutation(
        "the choices possible at an episode's end are those of the new episode",
        "switching/rollout.py",
        'next_allowed=_final(told, "action_mask", ended)',
        'next_allowed=told["action_mask"]',
        (WIRING,),
    ),
    Mutation(
        "the next observation at an episode's end is that of the new episode",
        "switching/rollout.py",
        'next_observation=_before_reset(after, told, "final_obs", ended)',
        "next_observation=after",
        (ROLLOUT,),
    ),
    # What is stored and drawn.
    Mutation(
        "a truncated episode is stored as a terminated one",
        "learning/algorithms.py",
        "terminated=seen.terminated,",
        "terminated=seen.terminated | seen.truncated,",
        (ALGORITHMS,),
    ),
    Mutation(
        "no overspend penalty in a penalty training",
        "learning/algorithms.py",
        "config.cost, budget.penalty, rng)",
        "config.cost, 0.0, rng)",
        (WIRING,),
    ),
    Mutation(
        "the lesser of the critics where the mean is asked for, and the other way round",
        "learning/algorithms.py",
        'if config.critics == "mean" else',
        'if config.critics == "min" else',
        (ALGORITHMS,),
    ),
    Mutation(
        "privileged information before the step stands behind the state after it",
        "learning/algorithms.py",
        "[seen.next_observation, seen.next_privileged]",
        "[seen.next_observation, seen.privileged]",
        (WIRING,),
    ),
    Mutation(
        "a call is paid for instead of charged",
        "learning/replay.py",
        'take["reward"] - price * take["choice"]',
        'take["reward"] + price * take["choice"]',
        (REPLAY,),
    ),
    Mutation(
        "the ring writes one slot too far",
        "learning/replay.py",
        "np.arange(self._added + skip, self._added + n)",
        "np.arange(self._added + skip + 1, self._added + n + 1)",
        (REPLAY,),
    ),
    # Soft actor-critic.
    Mutation(
        "the actor sees what is for the critics alone",
        "learning/sac.py",
        "return observation[:, : self._observed]",
        "return observation",
        (ALGORITHMS,),
    ),
    Mutation(
        "slow critics never move",
        "learning/sac.py",
        "get_ema_multi_avg_fn(1.0 - rates.tau)",
        "get_ema_multi_avg_fn(1.0)",
        (SAC,),
    ),
    Mutation(
        "value is bootstrapped past a termination",
        "learning/sac.py",
        "gamma * (1.0 - batch.terminated) * next_value",
        "gamma * next_value",
        (SAC,),
    ),
    Mutation(
        "entropy is punished",
        "learning/sac.py",
        "combine(q1, q2) - alpha * policy.log_probability",
        "combine(q1, q2) + alpha * policy.log_probability",
        (SAC,),
    ),
    Mutation(
        "targets come from the newest critics",
        "learning/sac.py",
        "next_q1, next_q2 = (q(batch.next_observation) for q in nets.targets)",
        "next_q1, next_q2 = (q(batch.next_observation) for q in nets.critics)",
        (SAC,),
    ),
    Mutation(
        "the mean of the actors counts one too many",
        "learning/sac.py",
        "1.0 / (int(count) + 1)",
        "1.0 / (int(count) + 2)",
        (SAC,),
    ),
    # Every cost and budget at once.
    Mutation(
        "a relabelled call leaves the budget as it was",
        "learning/universal.py",
        "(batch.next_observation, remaining - choice)",
        "(batch.next_observation, remaining)",
        (UNIVERSAL,),
    ),
    Mutation(
        "calls add to a choice's value",
        "learning/universal.py",
        "value[..., 0] - cost[:, None] * value[..., 1]",
        "value[..., 0] + cost[:, None] * value[..., 1]",
        (UNIVERSAL,),
    ),
    Mutation(
        "more calls are expected than are left",
        "learning/universal.py",
        "torch.minimum(target[:, 1].clamp(min=0.0), batch.remaining)",
        "target[:, 1].clamp(min=0.0)",
        (UNIVERSAL,),
    ),
    # Critics that know more.
    Mutation(
        "where the models differ a call changes nothing, and where they agree it may",
        "learning/privileged.py",
        "view.privileged[:, 0] == 1",
        "view.privileged[:, 0] == 0",
        (PRIVILEGED,),
    ),
    Mutation(
        "agreement is told as difference",
        "switching/observation.py",
        "row[0] = quick.action == deepthink.action",
        "row[0] = quick.action != deepthink.action",
        (OBSERVATION,),
    ),
    # What a call adds, learned from logs.
    Mutation(
        "where the models agree a call adds as much as where they differ",
        "switching/effects.py",
        "return differ * effect + torch.tensor([0.0, 1.0])",
        "return effect + torch.tensor([0.0, 1.0])",
        (EFFECTS,),
    ),
    Mutation(
        "what calls tell of agreement is taken for all that is known",
        "learning/rlearner.py",
        "out: Array = found - value\n",
        "out: Array = found - value\n        out[log.agreement == 1, 0] = 0.0\n",
        (R_LEARNER,),
    ),
    Mutation(
        "a network is asked of the sessions that it has seen",
        "learning/rlearner.py",
        "fold = torch.from_numpy(self._fold)",
        "fold = torch.from_numpy((self._fold + 1) % FOLDS)",
        (R_LEARNER,),
    ),
    # Reports.
    Mutation(
        "a spent budget counts as one with a call left",
        "learning/statistics.py",
        "self.funded += step.remaining > 0",
        "self.funded += step.remaining >= 0",
        (STATISTICS,),
    ),
    Mutation(
        "an ended episode is counted before its last step",
        "learning/statistics.py",
        "            self._open[slot].add(step)\n            if step.ended:\n",
        "            if not step.ended:\n                self._open[slot].add(step)\n"
        "            if step.ended:\n",
        (STATISTICS,),
    ),
    # The decision.
    Mutation(
        "the propensity is that of the other choice",
        "switching/decision.py",
        "np.where(called, call, 1.0 - call)",
        "np.where(~called, call, 1.0 - call)",
        (DECISION,),
    ),
    Mutation(
        "exploration calls where no call is allowed",
        "switching/decision.py",
        "    call = np.where(allowed[:, 1], call, 0.0)\n",
        "",
        (DECISION,),
    ),
    # The budget.
    Mutation(
        "a call does not use up the budget",
        "switching/env.py",
        "slot.look(state.cost_budget.after(who), state.differed_after(who))",
        "slot.look(state.cost_budget, state.differed_after(who))",
        (ENV,),
    ),
    Mutation(
        "critics are not told of earlier slips",
        "switching/env.py",
        "slot.look(state.cost_budget.after(who), state.differed_after(who))",
        "slot.look(state.cost_budget.after(who))",
        (ENV,),
    ),
    Mutation(
        "a new episode is played at another one's cost and budget",
        "switching/env.py",
        "slot.begin(self._cost_budget(seeds[k]))",
        "slot.begin(self._cost_budget(seeds[0]))",
        (ENV_EPISODES,),
    ),
    Mutation(
        "the first call beyond the budget is free",
        "switching/budget.py",
        "(choice == 1) & (remaining <= 0)",
        "(choice == 1) & (remaining < 0)",
        (BUDGET,),
    ),
    Mutation(
        "no cap is seen as no call left",
        "switching/networks.py",
        "return torch.where(view.capped > 0, share, torch.ones_like(share))",
        "return share",
        (NETWORKS,),
    ),
    Mutation(
        "a call without any cap is punished",
        "switching/networks.py",
        "beyond = (view.capped > 0) & (view.budget_left <= 0)",
        "beyond = view.budget_left <= 0",
        (NETWORKS,),
    ),
    # What is seen.
    Mutation(
        "what was seen in the last episode counts as seen in this one",
        "switching/env.py",
        "        self._seen.clear()\n",
        "",
        (WIRING,),
    ),
    # Less plain ones.
    Mutation(
        "the penalty is not in the environment's reward",
        "switching/env.py",
        "reward -= cost * choice + self.budget.penalty * overspent",
        "reward -= cost * choice",
        (ENV,),
    ),
    Mutation(
        "nothing is seen behind a truncated episode",
        "switching/env.py",
        "            if not outcome.terminated:\n",
        "            if not outcome.ended:\n",
        (ENV_EPISODES,),
    ),
    Mutation(
        "a resumed episode counts its state twice",
        "switching/env.py",
        "Counter(self.episode.observations[:-1])",
        "Counter(self.episode.observations)",
        (ENV_EPISODES,),
    ),
    Mutation(
        "a tie calls",
        "switching/switcher.py",
        "(call > 0.5)",
        "(call >= 0.5)",
        (SWITCHER,),
    ),
    Mutation(
        "the next policy is masked as the one before",
        "learning/sac.py",
        "nets.policy(batch.next_observation, batch.next_allowed)",
        "nets.policy(batch.next_observation, batch.allowed)",
        (SAC,),
    ),
    Mutation(
        "targets have no lower bound",
        "learning/sac.py",
        "target.clamp(least, most",
        "target.clamp(-inf, most",
        (SAC,),
    ),
    Mutation(
        "states without a choice teach the universal actor",
        "learning/universal.py",
        " / batch.cost * batch.allowed.all(-1)  # [B]",
        " / batch.cost",
        (UNIVERSAL,),
    ),
    Mutation(
        "the universal actor's loss ignores its sharpness",
        "learning/universal.py",
        "preference_loss(logits / self._sharpness, gain)",
        "preference_loss(logits, gain)",
        (UNIVERSAL,),
    ),
    Mutation(
        "the actor does not know its punishment",
        "learning/algorithms.py",
        "PenaltyActor(encoder, width, most, budget.punishment(alpha.value))",
        "PenaltyActor(encoder, width, most, 0.0)",
        (WIRING,),
    ),
    Mutation(
        "a full budget of the largest size is shown as the share of no cap",
        "switching/networks.py",
        "share = budget_share(view, terms.most + 1)",
        "share = budget_share(view, terms.most)",
        (NETWORKS,),
    ),
)


def digest(mutation: Mutation) -> str:
    """What an outcome depends on, short of the libraries."""
    seen = hashlib.sha256(repr(mutation).encode())
    for path in (*sorted((ROOT / "src/londi").rglob("*.py")), *map(ROOT.joinpath, mutation.tests)):
        seen.update(path.read_bytes())
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if not path.name.startswith("test_"):  # what the tests share
            seen.update(path.read_bytes())
    return seen.hexdigest()[:16]


def broken(mutation: Mutation | None, source: Path) -> Path:
    """A copy of `src` in `source`, with the mutation."""
    # The weights are large, and only read.
    ignore = shutil.ignore_patterns("__pycache__", "builtin")
    shutil.copytree(ROOT / "src", source, ignore=ignore)
    (source / "londi/builtin").symlink_to(ROOT / "src/londi/builtin")
    if mutation:
        file = source / "londi" / mutation.file
        text = file.read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            raise SystemExit(f"{mutation.file}: expected once, and only once: {mutation.old!r}")
        file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    return source


def preload() -> None:
    """Import what all tests import, so that a fork need not: all but londi and the tests."""
    import gymnasium  # noqa: F401
    import torch
    import transformers.models.t5.modeling_t5  # noqa: F401

    torch.set_num_threads(1)


def test(source: Path, tests: Sequence[str], log: Path) -> None:
    """Run the tests on the package in `source`, and exit with pytest's code; in a process alone."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(source)
    sys.path.insert(0, str(source))
    sys.dont_write_bytecode = True
    import pytest

    # The libraries that were imported early need no rewriting.
    calm = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *calm, "-k", SLOW, *tests])
    import londi

    ours = Path(londi.__file__).is_relative_to(source)
    os._exit(int(code) if ours else 99)


def outcome(mutation: Mutation | None, tests: Sequence[str]) -> tuple[str, str]:
    """Whether the tests notice, and the test that does."""
    with tempfile.TemporaryDirectory() as folder:
        source, log = broken(mutation, Path(folder) / "src"), Path(folder) / "log"
        process = multiprocessing.get_context("fork").Process(
            target=test, args=(source, tests, log)
        )
        process.start()
        process.join(LIMIT)
        if process.is_alive():
            process.kill()
            process.join()
            return "took too long", ""
        text = log.read_text(encoding="utf-8")
    failed = [line for line in text.splitlines() if line.startswith("FAILED ")]
    said = {0: "not noticed", 1: "noticed"}.get(process.exitcode or 0, "could not be tested")
    if said == "could not be tested" or (mutation is None and said != "not noticed"):
        print(text, file=sys.stderr)
    return said, failed[0].removeprefix("FAILED ").partition(" - ")[0] if failed else ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1, help="mutations tested side by side")
    parser.add_argument("--only", default="", help="those whose name or file has this word")
    parser.add_argument("--out", type=Path, default=ROOT / "build/mutations.json")
    asked = parser.parse_args()
    chosen = [m for m in MUTATIONS if asked.only in m.name or asked.only in m.file]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[str, list[str]] = (
        json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.is_file() else {}
    )
    preload()

    def known(mutation: Mutation) -> list[str]:
        key = digest(mutation)
        if key not in kept:
            found = list(outcome(mutation, mutation.tests))
            if found[0] not in GOOD:
                return found
            kept[key] = found
            part = asked.out.with_suffix(".part")
            part.write_text(json.dumps(kept, indent=1), encoding="utf-8")
            part.replace(asked.out)
        return kept[key]

    # Where the tests fail anyway, nothing is noticed.
    tests = sorted({name for mutation in chosen for name in mutation.tests})
    if outcome(None, tests)[0] != "not noticed":
        print("the tests fail without any mutation", file=sys.stderr)
        return 2

    noticed = 0
    with ThreadPoolExecutor(asked.jobs) as threads:
        outcomes = threads.map(known, chosen)
        for mutation, (said, by) in zip(chosen, outcomes, strict=True):
            noticed += said == "noticed"
            print(
                f"{said:12} {mutation.file}: {mutation.name}{f' ({by})' if by else ''}", flush=True
            )
    print(f"{noticed} of {len(chosen)} noticed")
    return 0 if noticed >= NEEDED * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The switching-control problem as a standard Gymnasium vector environment.

The action is binary: 0 lets QUICK act, 1 lets DEEPTHINK act and costs c (LONDI, arXiv
2402.12061; with a budget, LONDI-B). A step parts the batch by the action, asks each model once
for all of its part, and steps the text environments; so any reinforcement-learning library can
train a Switcher. This file does not know how choices are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from itertools import count, islice

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import make_encoder
from londi.envs.episode import Outcome, TextEpisode
from londi.envs.registry import make_env
from londi.errors import InvalidConfig
from londi.models.base import LanguageModel
from londi.switching.budget import Budget
from londi.switching.observation import Observer, State
from londi.types import Array, CostBudget, Info, Reply, Step, Usage


class _Slot:
    """One place of the vector: its episode, and the state that it is in (None: out of episodes)."""

    def __init__(self, episode: TextEpisode) -> None:
        self.episode = episode
        self.state: State | None = None
        self._seen: Counter[str] = Counter()

    def begin(self, cost_budget: CostBudget) -> None:
        """Take up the first state of the episode."""
        self._seen.clear()
        self.state = self.look(cost_budget)

    def look(self, cost_budget: CostBudget, differed: tuple[int, int] = (0, 0)) -> State:
        """The state of the episode now; to be asked once after each step."""
        now = self.episode.observations[-1]
        self._seen[now] += 1
        steps, repeats = len(self.episode.taken), self._seen[now] - 1
        return State(self.episode.prompt(), cost_budget, steps, repeats, differed)

    def resume(self, saved: Info) -> bool:
        """Take up what `save` returned: its actions are done again, and no model is asked.

        Returns:
            Whether the episode goes on; not where the environment broke it off on the way.
        """
        if not self.episode.resume(saved["seed"], saved["taken"]):
            return False
        self._seen = Counter(self.episode.observations[:-1])
        self.state = replace(
            self.look(CostBudget(**saved["terms"]), tuple(saved["differed"])),
            features=saved["features"],
            quick=_reply(saved["quick"]),
            deepthink=_reply(saved["deepthink"]),
        )
        return True

    def save(self) -> Info | None:
        """All that a resumed run needs of this slot."""
        if self.state is None:
            return None
        return {
            "seed": self.episode.seed,
            "taken": list(self.episode.taken),
            "terms": asdict(self.state.cost_budget),
            "differed": self.state.differed,
            "features": self.state.features,
            "quick": self.state.quick and asdict(self.state.quick),
            "deepthink": self.state.deepthink and asdict(self.state.deepthink),
        }


class SwitchingVectorEnv(VectorEnv[Array, Array, Array]):
    """Two language models in many copies of one text environment, and who acts at each step.

    Observation `[num_envs, D]`, float32: see `londi.switching.observation`. Action `[num_envs]`:
    g in {0, 1}. Reward: the task's own, less c for each DEEPTHINK call and the penalty for each one
    beyond the budget. In `mask` mode a call without budget is not made, whatever the action says.

    An ended episode is followed by the next at once (`AutoresetMode.SAME_STEP`), with `final_obs`
    and `final_info` as Gymnasium's own vector environments have them. An observation behind a
    terminated episode is zeros: no model is asked there, and nothing is bootstrapped from it.
    `info` holds:

    - `steps`: a `Step` a slot (None where the slot had nothing left to play);
    - `action_mask` `[num_envs, 2]`: the choices that are possible now;
    - `live` `[num_envs]`: false once a slot has run out of episodes;
    - `privileged` `[num_envs, P]`: the `PrivilegedInfo` of the states; P is 0 unless asked for.

    Args:
        env: a Gymnasium name, or a callable that makes the text environment.
        quick: the small model.
        deepthink: the large model.
        cost: c, in units of reward, >= 0.
        budget: the cap on DEEPTHINK calls.
        cost_budget: the cost and budget of each episode, by its seed, in place of those two;
            budgets differ in `calls` alone.
        encoder: features of a prompt; QUICK's own embedding by default.
        num_envs: copies of the environment.
        privileged: ask both models in every state, whoever acts, for a training whose critics may
            know more than the Switcher.

    Raises:
        UnknownName: if no environment has that name.
        InvalidConfig: if the cost is negative or no number, or the encoder does not fit QUICK.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        env: str | Callable[[], gym.Env[str, str]],
        quick: LanguageModel,
        deepthink: LanguageModel,
        *,
        cost: float = TrainConfig.cost,
        budget: Budget | None = None,
        cost_budget: Callable[[int], CostBudget] | None = None,
        encoder: Encoder | None = None,
        num_envs: int = 8,
        privileged: bool = False,
    ) -> None:
        if not (np.isfinite(cost) and cost >= 0):
            raise InvalidConfig(f"cost: expected a number >= 0, got {cost!r}")
        if num_envs < 1:
            raise InvalidConfig(f"num_envs: expected a whole number >= 1, got {num_envs!r}")
        self.quick = quick
        self.deepthink = deepthink
        self.budget = budget or Budget()
        self._cost_budget = cost_budget or (lambda _: CostBudget(cost, self.budget.start))
        encoder = encoder or make_encoder("quick", quick, deepthink)
        self.observer = Observer(encoder, quick, deepthink, privileged)
        self.num_envs = num_envs
        make = env if callable(env) else lambda: make_env(str(env))
        self._slots = [_Slot(TextEpisode(make())) for _ in range(num_envs)]
        self._threads = ThreadPoolExecutor(num_envs) if self._slots[0].episode.waits else None
        self.returns, self.horizon = self._slots[0].episode.returns, self._slots[0].episode.horizon
        self._map = self._threads.map if self._threads else map
        size = self.observer.layout.size
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.single_action_space = spaces.Discrete(2)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._episodes: Iterator[int] = iter(())
        self._begun = 0

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Info | None = None
    ) -> tuple[Array, Info]:
        """Begin anew in every slot.

        Args:
            seed: the first episode; later ones count on from it. Random by default.
            options: `{"episodes": seeds}` names the episodes instead, each played once, in
                the order in which slots come free; with a finite list slots run out.

        Raises:
            InvalidConfig: if `seed` is a list: episodes are not tied to slots.
        """
        if isinstance(seed, list):
            raise InvalidConfig("seed: expected one whole number; name episodes in options")
        episodes: Iterable[int] | None = (options or {}).get("episodes")
        if episodes is None:
            first = int(np.random.default_rng().integers(1 << 30)) if seed is None else seed
            episodes = count(first)
        self._episodes, self._begun = iter(episodes), 0
        self._begin(self._slots)
        self.observer.look(self._states)
        return self.observer.observe(self._states), self._info(self._states)

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, Info]:
        """Let QUICK act where `actions` `[num_envs]` is 0 and DEEPTHINK where it is 1.

        Raises:
            InvalidConfig: for any other action.
        """
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,) or not np.isin(actions, (0, 1)).all():
            raise InvalidConfig(
                f"actions: expected {self.num_envs} of 0 (QUICK) or 1 (DEEPTHINK), got"
                f" {actions.tolist()}"
            )
        states, live = self._states, self._live()
        remaining = self._remaining(states)
        choice = np.where(live & self.budget.allowed(remaining)[:, 1], actions, 0)
        overspent = self.budget.overspends(remaining, choice)
        replies = self._ask(choice)

        acting = [replies[i][int(g)] or _SILENCE for i, g in enumerate(choice)]
        rows = np.flatnonzero(live).tolist()
        outcomes = self._map(lambda i: self._slots[i].episode.step(acting[i].action), rows)
        steps: list[Step | None] = [None] * self.num_envs
        finals: list[State | None] = [None] * self.num_envs
        for i, outcome in zip(rows, outcomes, strict=True):
            slot, state, who = self._slots[i], states[i], int(choice[i])
            assert state
            steps[i] = _step(slot.episode, state, replies[i], who, outcome, overspent[i])
            if not outcome.terminated:
                finals[i] = slot.look(state.cost_budget.after(who), state.differed_after(who))
            slot.state = finals[i]
        ended = np.array([step is not None and step.ended for step in steps])
        self._begin([self._slots[i] for i in np.flatnonzero(ended)])
        # One batch for QUICK: where episodes go on or were cut off, and where new ones begin.
        self.observer.look([*finals, *(self._slots[i].state for i in np.flatnonzero(ended))])

        cost = np.array([state.cost_budget.cost if state else 0.0 for state in states])
        reward = np.array([step.reward if step else 0.0 for step in steps])
        reward -= cost * choice + self.budget.penalty * overspent
        terminated = np.array([step is not None and step.terminated for step in steps])
        truncated = np.array([step is not None and step.truncated for step in steps])
        info = self._info(self._states) | {"steps": _objects(steps), "_steps": live}
        if ended.any():
            info |= self._final(finals, ended)
        return self.observer.observe(self._states), reward, terminated, truncated, info

    def state(self) -> Info:
        """All that a resumed run needs, short of the order of the episodes."""
        return {"begun": self._begun, "slots": [slot.save() for slot in self._slots]}

    def load_state(self, state: Info, episodes: Iterable[int]) -> tuple[Array, Info]:
        """Take up what `state` returned, as `reset` would; `episodes` are those of that reset.

        The episodes' actions are done again; no language model is asked. An episode that the
        environment breaks off on the way is given up, and the next one begins in its slot:
        `info["aborted"]` `[num_envs]` tells where.
        """
        self._begun = state["begun"]
        self._episodes = islice(episodes, self._begun, None)
        aborted = np.zeros(self.num_envs, bool)
        for i, (slot, saved) in enumerate(zip(self._slots, state["slots"], strict=True)):
            slot.state = None
            aborted[i] = saved is not None and not slot.resume(saved)
        anew = [self._slots[i] for i in np.flatnonzero(aborted)]
        self._begin(anew)
        self.observer.look([slot.state for slot in anew])
        info = self._info(self._states) | {"aborted": aborted}
        return self.observer.observe(self._states), info

    def close_extras(self, **kwargs: object) -> None:
        """Close the text environments; `VectorEnv.close` calls this."""
        for slot in self._slots:
            slot.episode.close()
        if self._threads:
            self._threads.shutdown()

    @property
    def name(self) -> str:
        """The name of the text environment."""
        return self._slots[0].episode.name

    @property
    def _states(self) -> list[State | None]:
        return [slot.state for slot in self._slots]

    def _remaining(self, states: Sequence[State | None]) -> Array:
        """x `[len(states)]`; that of a new episode where there is nothing."""
        start = self.budget.start
        return np.array([state.cost_budget.remaining if state else start for state in states])

    def _live(self) -> npt.NDArray[np.bool_]:
        return np.array([slot.state is not None for slot in self._slots])

    def _begin(self, slots: Sequence[_Slot]) -> None:
        """Start the next episodes there, as long as any are left."""
        seeds = list(islice(self._episodes, len(slots)))
        self._begun += len(seeds)
        for _ in self._map(lambda k: slots[k].episode.start(seeds[k]), range(len(seeds))):
            pass
        for k, slot in enumerate(slots):
            slot.state = None
            if k < len(seeds):
                slot.begin(self._cost_budget(seeds[k]))

    def _ask(self, choice: Array) -> list[tuple[Reply | None, Reply | None]]:
        """The replies of (QUICK, DEEPTHINK) in each slot, each model asked once for all."""
        states = self._states
        quick = {i: state.quick for i, state in enumerate(states) if state and state.quick}
        deepthink = {
            i: state.deepthink for i, state in enumerate(states) if state and state.deepthink
        }
        for g, (model, known) in enumerate(((self.quick, quick), (self.deepthink, deepthink))):
            rows = [i for i in np.flatnonzero(choice == g).tolist() if states[i] and i not in known]
            known |= _act(model, states, rows)
        return [(quick.get(i), deepthink.get(i)) for i in range(self.num_envs)]

    def _info(self, states: Sequence[State | None]) -> Info:
        return {
            "action_mask": self.budget.allowed(self._remaining(states)),
            "live": np.array([state is not None for state in states]),
            "privileged": self.observer.foresee(states),
        }

    def _final(self, finals: Sequence[State | None], ended: Array) -> Info:
        """The states in which episodes have ended, in the form of Gymnasium's vector `info`."""
        observation = list(self.observer.observe(finals))
        info = self._info(finals)
        del info["live"]
        return {
            "final_obs": _objects([row if ended[i] else None for i, row in enumerate(observation)]),
            "_final_obs": ended,
            "final_info": info | {f"_{name}": ended for name in info},
            "_final_info": ended,
        }


_SILENCE = Reply("", 0.0, 0.0, Usage())


def _objects(items: Sequence[object]) -> Array:
    """A NumPy array of objects, whatever they are."""
    out = np.empty(len(items), object)
    for i, item in enumerate(items):
        out[i] = item
    return out


def _act(model: LanguageModel, states: Sequence[State | None], rows: list[int]) -> dict[int, Reply]:
    """Replies of `model` in these `rows`, by row; not asked where there are none."""
    prompts = [state.prompt for state in (states[i] for i in rows) if state]
    return dict(zip(rows, model.act(prompts), strict=True)) if rows else {}


def _step(
    episode: TextEpisode,
    state: State,
    replies: tuple[Reply | None, Reply | None],
    choice: int,
    outcome: Outcome,
    overspent: bool,
) -> Step:
    """The record of a step from `state`."""
    quick, deepthink = replies
    acting = replies[choice] or _SILENCE
    return Step(
        episode=episode.seed,
        t=state.steps,
        choice=choice,
        action=acting.action,
        quick_action=quick.action if quick else None,
        deepthink_action=deepthink.action if deepthink else None,
        reward=outcome.reward,
        terminated=outcome.terminated,
        truncated=outcome.truncated,
        success=outcome.success,
        remaining=float(state.cost_budget.remaining),
        overspent=bool(overspent),
        quick=quick.usage if quick else Usage(),
        deepthink=deepthink.usage if deepthink else Usage(),
        cost=state.cost_budget.cost,
        substituted_action=outcome.substituted_action,
        aborted=outcome.aborted,
    )


def _reply(saved: Info | None) -> Reply | None:
    return Reply(**saved | {"usage": Usage(**saved["usage"])}) if saved else None

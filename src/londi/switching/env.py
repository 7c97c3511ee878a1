"""The switching-control problem as a standard Gymnasium vector environment.

The action is binary: 0 lets QUICK act, 1 lets DEEPTHINK act and costs c (LONDI, arXiv
2402.12061; with a budget, LONDI-B). A step parts the batch by the action, asks each model once
for all of its part, and steps the text environments; so any reinforcement-learning library can
train a Switcher. This file does not know how choices are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from math import log1p
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from londi.config import TrainConfig
from londi.encoders.base import Encoder
from londi.encoders.registry import COST, EXTRAS, REPEATS, SHARE, STEPS, make_encoder
from londi.envs.episode import TextEpisode
from londi.envs.prompt import Prompt
from londi.envs.registry import make_env
from londi.errors import InvalidConfig
from londi.learning.privileged import PrivilegedInfo
from londi.models.base import LanguageModel
from londi.switching.budget import Budget
from londi.types import CostBudget, Reply, Step, Usage

Array = npt.NDArray[Any]


@dataclass(slots=True)
class _View:
    """A state as the Switcher sees it.

    Attributes:
        prompt: the text.
        terms: what a call costs, and how many are left.
        steps: steps made before it in its episode.
        repeats: how often the same was observed before in its episode.
        features: the encoder's numbers, `[encoder.size]`; None before they are made.
        quick: what QUICK would do, where it has been asked.
        deepthink: what DEEPTHINK would do, where it has been asked.
    """

    prompt: Prompt
    terms: CostBudget
    steps: int
    repeats: int
    features: Array | None = None
    quick: Reply | None = None
    deepthink: Reply | None = None


@dataclass(slots=True)
class _Slot:
    """One place of the vector: its episode, and the state that it is in (None: out of episodes)."""

    episode: TextEpisode
    view: _View | None = None

    def look(self, terms: CostBudget) -> _View:
        """The state of the episode now."""
        *before, now = self.episode.observations
        return _View(self.episode.prompt(), terms, len(before), before.count(now))


class SwitchingVectorEnv(VectorEnv[Array, Array, Array]):
    """Two language models in many copies of one text environment, and who acts at each step.

    Observation `[num_envs, D]`, float32: the encoder's features of the prompt, then the share
    of the budget left (`Budget.feature`), then c, then the logarithms of 1 + the steps made and
    of 1 + how often the same was observed before in the episode: they show a player that goes in
    circles, where the prompt holds its last steps alone. Action `[num_envs]`: g. Reward: the
    task's own, less c for each DEEPTHINK call and the penalty for each one beyond the budget. In
    `mask` mode a call without budget is not made, whatever the action says.

    An ended episode is followed by the next at once (`AutoresetMode.SAME_STEP`). `info` holds:

    - `steps`: a `Step` a slot (None where the slot had nothing left to play);
    - `action_mask` `[num_envs, 2]`: the choices that are possible now;
    - `final_obs`, `final_action_mask`: those at the end of the step, before a new episode took
      the slot; zeros behind a terminated one, from which nothing is bootstrapped;
    - `live` `[num_envs]`: false once a slot has run out of episodes;
    - with `foresight`, `foresight` and `final_privileged` `[num_envs, P]`: what `PrivilegedInfo` says
      of the states that the observation and `final_obs` show.

    Args:
        env: a Gymnasium name, or a callable that makes the text environment.
        quick: the small model.
        deepthink: the large model.
        cost: c, in units of reward, >= 0.
        budget: the cap on DEEPTHINK calls.
        terms: what cost and budget each episode has, by its seed, in place of those two; budgets
            differ in `calls` alone.
        encoder: what the observation shows of a prompt; QUICK's own embedding by default.
        num_envs: copies of the environment.
        foresight: ask both models in every state, whoever acts, and tell in `info` what
            DEEPTHINK would do: for a training whose critics may know more than the Switcher.

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
        terms: Callable[[int], CostBudget] | None = None,
        encoder: Encoder | None = None,
        num_envs: int = 8,
        foresight: bool = False,
    ) -> None:
        if not (np.isfinite(cost) and cost >= 0):
            raise InvalidConfig(f"cost: expected a number >= 0, got {cost!r}")
        if num_envs < 1:
            raise InvalidConfig(f"num_envs: expected a whole number >= 1, got {num_envs!r}")
        self.quick = quick
        self.deepthink = deepthink
        self.budget = budget or Budget()
        self._terms = terms or (lambda _: CostBudget(cost, self.budget.start))
        self.encoder = encoder or make_encoder("quick", quick, deepthink)
        self.foresight = PrivilegedInfo(deepthink) if foresight else None
        self.num_envs = num_envs
        name = env
        make = env if callable(env) else lambda: make_env(str(name))
        self._slots = [_Slot(TextEpisode(make())) for _ in range(num_envs)]
        self._threads = ThreadPoolExecutor(num_envs) if self._slots[0].episode.waits else None
        self.returns = self._slots[0].episode.returns
        self._map = self._threads.map if self._threads else map
        size = self.encoder.size + EXTRAS
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.single_action_space = spaces.Discrete(2)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._episodes: Iterator[int] = iter(())
        self._begun = 0

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
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
        self._look(self._views)
        return self._observe(self._views), self._info()

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Let QUICK act where `actions` `[num_envs]` is 0 and DEEPTHINK where it is 1."""
        live = self._live()
        remaining = self._remaining(self._views)
        cost = np.array([view.terms.cost if view else 0.0 for view in self._views])
        choice = np.where(live & self.budget.allowed(remaining)[:, 1], np.asarray(actions), 0)
        overspent = self.budget.overspends(remaining, choice)
        replies = self._ask(choice)

        acting = [replies[i][int(g)] or _SILENCE for i, g in enumerate(choice)]
        rows = np.flatnonzero(live).tolist()
        outcomes = self._map(lambda i: self._slots[i].episode.step(acting[i].action), rows)
        steps: list[Step | None] = [None] * self.num_envs
        finals: list[_View | None] = [None] * self.num_envs
        over: list[_Slot] = []
        for i, outcome in zip(rows, outcomes, strict=True):
            slot, (quick, deepthink) = self._slots[i], replies[i]
            assert slot.view
            steps[i] = Step(
                episode=slot.episode.seed,
                t=len(slot.episode.taken) - 1,
                choice=int(choice[i]),
                action=acting[i].action,
                quick_action=quick.action if quick else None,
                deepthink_action=deepthink.action if deepthink else None,
                reward=outcome.reward,
                terminated=outcome.terminated,
                truncated=outcome.truncated,
                success=outcome.success,
                remaining=float(remaining[i]),
                overspent=bool(overspent[i]),
                quick=quick.usage if quick else Usage(),
                deepthink=deepthink.usage if deepthink else Usage(),
                substituted_action=outcome.substituted_action,
                aborted=outcome.aborted,
            )
            if not outcome.terminated:
                finals[i] = slot.look(slot.view.terms.after(int(choice[i])))
            slot.view = finals[i]
            if outcome.ended:
                over.append(slot)
        self._begin(over)
        ended = np.array([step is not None and step.ended for step in steps])
        # One batch for QUICK: where episodes go on or were cut off, and where new ones begin.
        self._look([*finals, *(self._slots[i].view for i in np.flatnonzero(ended))])

        reward = np.array([step.reward if step else 0.0 for step in steps])
        reward -= cost * choice + self.budget.penalty * overspent
        info = self._info() | {
            "steps": tuple(steps),
            "final_obs": self._observe(finals),
            "final_action_mask": self.budget.allowed(self._remaining(finals)),
        }
        if self.foresight:
            info["final_privileged"] = self._foresee(finals)
        terminated = np.array([step is not None and step.terminated for step in steps])
        truncated = np.array([step is not None and step.truncated for step in steps])
        return self._observe(self._views), reward, terminated, truncated, info

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs, short of the order of the episodes."""
        return {"begun": self._begun, "slots": [_slot_state(slot) for slot in self._slots]}

    def load_state(
        self, state: dict[str, Any], episodes: Iterable[int]
    ) -> tuple[Array, dict[str, Any]]:
        """Take up what `state` returned, as `reset` would; `episodes` are those of that reset.

        The episodes' actions are done again; no language model is asked.
        """
        self._begun = state["begun"]
        self._episodes = islice(episodes, self._begun, None)
        for slot, saved in zip(self._slots, state["slots"], strict=True):
            slot.view = None
            if saved is not None:
                slot.episode.resume(saved["seed"], saved["taken"])
                slot.view = replace(
                    slot.look(CostBudget(**saved["terms"])),
                    features=saved["features"],
                    quick=_reply(saved["quick"]),
                    deepthink=_reply(saved["deepthink"]),
                )
        return self._observe(self._views), self._info()

    def close_extras(self, **kwargs: Any) -> None:
        """Close the text environments; `VectorEnv.close` calls this."""
        for slot in self._slots:
            slot.episode.close()
        if self._threads:
            self._threads.shutdown()

    @property
    def _views(self) -> list[_View | None]:
        return [slot.view for slot in self._slots]

    def _remaining(self, views: Sequence[_View | None]) -> Array:
        """x `[len(views)]`; that of a new episode where there is nothing."""
        return np.array([view.terms.remaining if view else self.budget.start for view in views])

    def _live(self) -> npt.NDArray[np.bool_]:
        return np.array([slot.view is not None for slot in self._slots])

    def _begin(self, slots: Sequence[_Slot]) -> None:
        """Start the next episodes there, as long as any are left."""
        seeds = list(islice(self._episodes, len(slots)))
        self._begun += len(seeds)
        for _ in self._map(lambda k: slots[k].episode.start(seeds[k]), range(len(seeds))):
            pass
        for k, slot in enumerate(slots):
            slot.view = slot.look(self._terms(seeds[k])) if k < len(seeds) else None

    def _look(self, views: Sequence[_View | None]) -> None:
        """Make the features of these views, asking the models where their replies are looked at."""
        seen = [view for view in views if view is not None]
        if not seen:
            return
        prompts = [view.prompt for view in seen]
        if self.encoder.reads_quick or self.foresight:
            for view, reply in zip(seen, self.quick.act(prompts), strict=True):
                view.quick = reply
        if self.foresight:
            for view, reply in zip(seen, self.deepthink.act(prompts), strict=True):
                view.deepthink = reply
        read = [view.quick for view in seen if view.quick] if self.encoder.reads_quick else []
        for view, row in zip(seen, self.encoder.encode(prompts, read), strict=True):
            view.features = row

    def _ask(self, choice: Array) -> list[tuple[Reply | None, Reply | None]]:
        """The replies of (QUICK, DEEPTHINK) in each slot, each model asked once for all."""
        views = self._views
        quick = {i: view.quick for i, view in enumerate(views) if view and view.quick}
        deepthink = {i: view.deepthink for i, view in enumerate(views) if view and view.deepthink}
        for g, (model, known) in enumerate(((self.quick, quick), (self.deepthink, deepthink))):
            rows = [i for i in np.flatnonzero(choice == g).tolist() if views[i] and i not in known]
            known |= _act(model, views, rows)
        return [(quick.get(i), deepthink.get(i)) for i in range(self.num_envs)]

    def _observe(self, views: Sequence[_View | None]) -> Array:
        rows = np.zeros((len(views), self.encoder.size + EXTRAS), np.float32)
        share = self.budget.feature(self._remaining(views))
        for i, view in enumerate(views):
            if view is not None:
                rows[i, :-EXTRAS] = view.features
                extras = rows[i, -EXTRAS:]
                extras[SHARE], extras[COST] = share[i], view.terms.cost
                extras[STEPS], extras[REPEATS] = log1p(view.steps), log1p(view.repeats)
        return rows

    def _foresee(self, views: Sequence[_View | None]) -> Array:
        assert self.foresight
        rows = np.zeros((len(views), self.foresight.size), np.float32)
        for i, view in enumerate(views):
            if view and view.quick and view.deepthink:
                rows[i] = self.foresight.encode(view.quick, view.deepthink)
        return rows

    def _info(self) -> dict[str, Any]:
        allowed = self.budget.allowed(self._remaining(self._views))
        info = {"action_mask": allowed, "live": self._live()}
        return info | ({"foresight": self._foresee(self._views)} if self.foresight else {})


_SILENCE = Reply("", 0.0, 0.0, Usage())


def _act(model: LanguageModel, views: Sequence[_View | None], rows: list[int]) -> dict[int, Reply]:
    """What `model` replies in these `rows`, by row; not asked where there are none."""
    prompts = [view.prompt for view in (views[i] for i in rows) if view]
    return dict(zip(rows, model.act(prompts), strict=True)) if rows else {}


def _slot_state(slot: _Slot) -> dict[str, Any] | None:
    if slot.view is None:
        return None
    return {
        "seed": slot.episode.seed,
        "taken": list(slot.episode.taken),
        "terms": asdict(slot.view.terms),
        "features": slot.view.features,
        "quick": slot.view.quick and asdict(slot.view.quick),
        "deepthink": slot.view.deepthink and asdict(slot.view.deepthink),
    }


def _reply(saved: dict[str, Any] | None) -> Reply | None:
    return Reply(**saved | {"usage": Usage(**saved["usage"])}) if saved else None

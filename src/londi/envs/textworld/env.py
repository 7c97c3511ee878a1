"""TextWorld: text games that are generated from seeds (arXiv 1806.11532).

Cooking after a recipe, treasure hunts and coin collecting, each at three sizes. This file knows
episodes; `games.py` knows where games are kept, and `engine.py` how one is played.
"""

from __future__ import annotations

import pickle
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

import gymnasium as gym
from gymnasium import spaces

from londi.envs.closest import closest
from londi.envs.info import Told
from londi.envs.options import check_counts, check_flags, check_names
from londi.envs.seeds import among_first
from londi.envs.textworld.challenges import CHALLENGES
from londi.envs.textworld.games import CACHE, GameId, check_cache
from londi.errors import InvalidConfig, extras_named
from londi.types import Info

if TYPE_CHECKING:  # without it TextWorld would be imported here
    from londi.envs.textworld.engine import Engine

READ = "examine cookbook"
"""The command that tells the recipe of a cooking game."""
_RECIPE = "Ingredients:"
"""Beginning of the recipe itself, behind a preface."""
_TELLING = ("examine ", "look", "inventory")
_CHARSET = string.printable


class TextWorld(gym.Env[str, str]):
    """Episodes of TextWorld games, read and acted on in words.

    The return is the game's score as a share of the greatest: a reward is the change of that share.
    A game that is won returns 1. `terminated` is a game won or lost; `truncated` is the step limit.

    An action is one of the game's commands; any other text is replaced by the closest of
    `info["actions"]`, which `info["substituted_action"]` names. `info` holds `goal` (the game's own
    words; a recipe has to be read in the cookbook), `actions`, `success`, `score` (in points),
    `challenge`, `game` (its seed), `look` and `inventory`, which cost no step, and `recipe`, that
    of the cookbook once it was read.

    Games are made from seeds, and kept. One that is missing is made at `reset`, which takes some
    seconds; `londi.envs.textworld.ahead.generate_games` makes many beforehand.

    Args:
        challenges: the name of a challenge, or several, of `CHALLENGES`; episodes take them in
            turns.
        games: number of different games of each range of seeds (`londi.envs.seeds`): those for
            language models, for Switchers, for choosing settings and for figures have no game in
            common. Episodes beyond that number play the same games again.
        limit: steps after which an episode is truncated.
        list_all: list also the commands that only tell something: `look`, `inventory`, and
            `examine` of anything but the cookbook. They can be done in any case.
        expert: give in `info["expert"]` the next command of TextWorld's own policy. It knows the
            recipe, but reads the cookbook where it comes by it, so that it can be imitated.
        cache: folder of generated games.
        render_mode: None or ``"ansi"``.

    Raises:
        UnknownName: if there is no such challenge; suggests the nearest.
        InvalidConfig: if an option has a wrong value.
        MissingExtra: if TextWorld is not installed.
    """

    metadata = {  # noqa: RUF012
        "render_modes": ["ansi"],
        "history": "textworld",
        "slow": True,
        "returns": (0.0, 1.0),
        "restorable": True,
    }

    def __init__(
        self,
        challenges: str | Sequence[str] = tuple(CHALLENGES),
        games: int = 1000,
        limit: int = 50,
        list_all: bool = False,
        expert: bool = False,
        cache: str = CACHE,
        render_mode: str | None = None,
    ) -> None:
        names = (challenges,) if isinstance(challenges, str) else challenges
        if not (isinstance(names, Sequence) and names):
            raise InvalidConfig(
                f"challenges: expected the name of at least one, got {challenges!r}"
            )
        check_names("TextWorld challenge", names, CHALLENGES)
        self._challenges = tuple(names)
        check_counts(games=games, limit=limit)
        check_flags(list_all=list_all, expert=expert)
        check_cache(cache)
        self._games, self._limit = games, limit
        self._list_all = list_all
        self._expert = expert
        self.cache = cache
        with extras_named():
            from londi.envs.textworld.engine import Engine
        self._engine: Engine = Engine(cache, expert)
        self.metadata = type(self).metadata | {"horizon": limit}
        self.render_mode = render_mode
        self.observation_space = spaces.Text(max_length=1 << 16, min_length=0, charset=_CHARSET)
        self.action_space = spaces.Text(max_length=256, min_length=0, charset=_CHARSET)

    def game_of(self, seed: int) -> GameId:
        """The game that the episode of that seed plays.

        Raises:
            InvalidConfig: if the seed is negative.
        """
        if seed < 0:
            raise InvalidConfig(f"seed: expected a whole number >= 0, got {seed}")
        number = among_first(seed, self._games)
        return GameId(self._challenges[number % len(self._challenges)], number)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[str, Info]:
        """Begin an episode.

        Raises:
            EnvironmentFailed: if its game is missing and cannot be made.
        """
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(self._games)) if seed is None else seed
        self._game = self.game_of(drawn)
        self._engine.start(self._game)
        self._steps, self._recipe = 0, ""
        self._text = self._engine.description
        return self._text, self._info()

    def step(self, action: str) -> Told:
        engine = self._engine
        known = action in engine.commands
        command = action if known else closest(action, self._actions())
        before = engine.score
        self._text = engine.do(command)
        self._steps += 1
        if command == READ:
            self._recipe = "".join(self._text.partition(_RECIPE)[1:])
        info = self._info()
        if not known:
            info["substituted_action"] = command
        terminated = engine.won or engine.lost
        truncated = not terminated and self._steps >= self._limit
        reward = (engine.score - before) / engine.max_score
        return self._text, reward, terminated, truncated, info

    def snapshot(self) -> bytes:
        """The state, to be restored in this process."""
        kept = self._game, self._steps, self._recipe, self._engine.snapshot()
        return pickle.dumps(kept, pickle.HIGHEST_PROTOCOL)

    def restore(self, snapshot: bytes) -> None:
        """Go back to a state that `snapshot` returned; the expert has no advice from there on."""
        self._game, self._steps, self._recipe, inner = pickle.loads(snapshot)
        self._engine.restore(inner)

    def state_key(self) -> bytes:
        """Equal for states that behave alike."""
        return repr((self._steps, self._recipe)).encode() + self._engine.state_key()

    def render(self) -> str:
        return self._text

    def _actions(self) -> tuple[str, ...]:
        """The commands that are listed."""
        every = self._engine.commands
        doing = tuple(c for c in every if c == READ or not c.startswith(_TELLING))
        return every if self._list_all else doing or every

    def _info(self) -> Info:
        engine = self._engine
        info: Info = {
            "goal": engine.objective,
            "actions": self._actions(),
            "success": engine.won,
            "score": engine.score,
            "challenge": self._game.challenge,
            "game": self._game.seed,
            "look": engine.description,
            "inventory": engine.inventory,
            "recipe": self._recipe,
        }
        if self._expert:
            unread = not self._recipe and READ in engine.commands
            info["expert"] = READ if unread else engine.advice
        return info

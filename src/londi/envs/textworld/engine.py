"""A TextWorld game being played: the story from the z-machine, the rules from TextWorld's logic.

TextWorld's engine of JSON games tells no story, and its engine of compiled games cannot be put into
another state. This engine runs both parts side by side: a command goes to the z-machine, which
writes the text and names the event, and the event changes the facts, from which the possible
commands and the score follow. This file knows one game at a time, and nothing of episodes.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zlib
from functools import lru_cache
from tempfile import NamedTemporaryFile

import numpy as np
import numpy.typing as npt

from londi.envs.textworld.games import GameId, load_game

_drawn = np.random.get_state()
with warnings.catch_warnings():
    # Importing it draws from numpy's shared generator and changes the filters of warnings.
    warnings.simplefilter("ignore")
    from jericho import FrotzEnv, UnsupportedGameWarning
    from textworld.generator.game import Game, GameProgression
    from textworld.generator.inform7 import Inform7Game
    from textworld.logic import Action, Proposition, State
np.random.set_state(_drawn)

Bytes = npt.NDArray[np.uint8]

_ORDERS = ("tw-trace-actions", "tw-extra-infos description", "tw-extra-infos inventory")
"""Commands after which each answer holds its events, the view of the room and the inventory."""
_SEED = 1
"""Seed of the z-machine; no text of a game is drawn."""
_PARTS = re.compile(r"<(description|inventory)>\n(.*?)</\1>", re.DOTALL)
_EVENT = re.compile(r"\[([^][()]*) - succeeded\]")
_TRACE = re.compile(r"\[[^][]*\]\n?")
_PROMPT = re.compile(r"\n>.*\Z", re.DOTALL)
_END = re.compile(r"(\*\*\* .* \*\*\*).*\Z", re.DOTALL)
_OBJECTS, _DEFAULTS, _OBJECT = 0x0A, 63, 14
"""Layout of a story's objects (Z-Machine Standards 12): the address of their address, the number of
words before the first one, and the bytes of each, the last two the address of its properties."""
_KEPT = 128  # games that are not read anew, some 600 KB each


class _Loaded:
    """A game at its beginning.

    Attributes:
        game, names: the world, and what turns its actions into commands.
        facts: the facts.
        state: the state of the z-machine.
        seen: the view of the room, and the inventory.
    """

    def __init__(self, name: GameId, cache: str) -> None:
        content = load_game(name, cache)
        self._story = content.story
        self.game = Game.deserialize(content.world)
        self.names = Inform7Game(self.game)
        self.facts = frozenset(self.game.world.state.facts)
        machine = self.machine()
        told = "".join(machine.step(order)[0] for order in _ORDERS)
        self.state = machine.get_state()
        self.seen = _seen(told)

    def machine(self) -> FrotzEnv:
        """A z-machine that has loaded the story."""
        with NamedTemporaryFile(suffix=".z8") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UnsupportedGameWarning)  # it knows published ones
            file.write(self._story)
            file.flush()
            return FrotzEnv(file.name, _SEED)


_loaded = lru_cache(maxsize=_KEPT)(_Loaded)


class Engine:
    """Plays games, one at a time.

    Attributes:
        commands: the possible commands, sorted.
        description, inventory: the view of the room, and the things that are carried.
        score: points so far.
        won, lost: whether the game has ended, and how.

    Args:
        cache: folder of generated games.
        expert: follow TextWorld's own policy, which takes a good part of the time of a step.
    """

    def __init__(self, cache: str, expert: bool = False) -> None:
        self._cache, self._expert = cache, expert
        self._name: GameId | None = None

    def start(self, name: GameId) -> None:
        """Begin a game.

        Raises:
            EnvironmentFailed: if it is missing and cannot be made.
        """
        self._load(name)
        made = self._made
        self._machine.set_state(made.state)
        self.description, self.inventory = made.seen["description"], made.seen["inventory"]
        self._completed: frozenset[int] = frozenset()
        self._progress = GameProgression(made.game) if self._expert else None
        self._believe(State(made.game.kb.logic, made.facts))

    @property
    def objective(self) -> str:
        """The task of the game, in its own words."""
        return str(self._made.game.objective)

    @property
    def max_score(self) -> int:
        """The greatest score of the game."""
        return int(self._made.game.max_score)

    @property
    def advice(self) -> str | None:
        """The next command of TextWorld's policy; None where it has none."""
        policy = self._progress.winning_policy if self._progress else None
        return self._made.names.gen_commands_from_actions(policy)[0] if policy else None

    def do(self, command: str) -> str:
        """Do one of `commands`, and return the answer of the game."""
        text, *_ = self._machine.step(command)
        seen = _seen(text)  # nothing, where the game has ended
        self.description = seen.get("description", self.description)
        self.inventory = seen.get("inventory", self.inventory)
        text = _PARTS.sub("", text)
        for event in _EVENT.findall(text):
            self._follow(event, command)
        return _cleaned(text)

    def snapshot(self) -> bytes:
        """The state, to be restored in this process."""
        memory, stack, *registers = self._machine.get_state()
        changed = _packed(memory ^ self._made.state[0]), _packed(stack ^ self._made.state[1])
        kept = self._name, changed, registers, self._changes, self._completed
        return pickle.dumps((*kept, self.description, self.inventory), pickle.HIGHEST_PROTOCOL)

    def restore(self, snapshot: bytes) -> None:
        """Go back to a state that `snapshot` returned, of whichever game; advice ends there."""
        name, changed, registers, changes, completed, *seen = pickle.loads(snapshot)
        if name != self._name:
            self._load(name)
        self._progress = None
        memory, stack = (
            begun ^ np.frombuffer(zlib.decompress(part), np.uint8)
            for begun, part in zip(self._made.state, changed, strict=False)
        )
        self._machine.set_state((memory, stack, *registers))
        self.description, self.inventory = seen
        self._completed = completed
        self._believe(State(self._made.game.kb.logic, self._made.facts ^ changes))

    def state_key(self) -> bytes:
        """Equal for states of a game that behave alike.

        Facts say where things are, and the z-machine's objects in which order they are listed.
        """
        facts = sorted(map(str, self._changes))
        memory, *_ = self._machine.get_state()
        objects = _word(memory, _OBJECTS) + 2 * _DEFAULTS
        end = _word(memory, objects + _OBJECT - 2)  # their properties follow, the first one's first
        told = repr((self._name, facts, sorted(self._completed))).encode()
        listed: bytes = memory[objects:end].tobytes()
        return told + listed

    @property
    def _changes(self) -> frozenset[Proposition]:
        """The facts that are not as at the beginning."""
        return self._made.facts ^ frozenset(self._state.facts)

    def _load(self, name: GameId) -> None:
        self._name = name
        self._made = _loaded(name, self._cache)
        # A new one for each game: it keeps every story that it has ever loaded.
        self._machine = self._made.machine()

    def _follow(self, event: str, command: str) -> None:
        """Change the facts as an event of the z-machine does."""
        likely = [self._actions[command]] if command in self._actions else []
        detect = self._made.names.detect_action
        action = detect(event, likely) or detect(event, self._actions.values())
        if action is None:
            return
        self._state.apply(action)
        if self._progress:
            self._progress.update(action)
        self._believe(self._state)

    def _believe(self, state: State) -> None:
        """Take over facts; the commands, the completed quests and the end follow from them."""
        self._state = state
        game = self._made.game
        valid = list(
            state.all_applicable_actions(game.kb.rules.values(), game.kb.types.constants_mapping)
        )
        names = self._made.names.gen_commands_from_actions(valid)
        self._actions: dict[str, Action] = dict(zip(names, valid, strict=True))
        self.commands = tuple(sorted(self._actions))
        self.lost = False
        for k, quest in enumerate(game.quests):
            if k in self._completed:
                continue
            if quest.is_failing(state):
                self.lost = True
            elif quest.is_winning(state):
                self._completed |= {k}
        self.score = sum(game.quests[k].reward for k in self._completed)
        needed = {k for k, q in enumerate(game.quests) if q.win_events and not q.optional}
        self.won = not self.lost and needed <= self._completed


def _seen(text: str) -> dict[str, str]:
    """The view of the room and the inventory in an answer, as far as it holds them."""
    return {name: _cleaned(part) for name, part in _PARTS.findall(text)}


def _word(memory: Bytes, at: int) -> int:
    return int(memory[at]) << 8 | int(memory[at + 1])


def _packed(part: Bytes) -> bytes:
    return zlib.compress(part.tobytes(), 1)


def _cleaned(text: str) -> str:
    """A text of the z-machine without traces, blank lines, the prompt and what stands behind it."""
    text = _END.sub(r"\1", _PROMPT.sub("", _TRACE.sub("", text)))
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())

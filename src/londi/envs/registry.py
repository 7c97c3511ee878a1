"""Text environments by name: registration with Gymnasium, and `make_env`.

A Gymnasium environment that follows `londi.envs.contract` can be named; londi's own are
`londi/BabyAIText-<level>-v0`, `londi/ScienceWorld-v0`, `londi/ScienceWorld-short-v0`,
`londi/ScienceWorld-<task>-v0`, `londi/TextWorld-v0`, `londi/TextWorld-<kind>-v0`,
`londi/TextWorld-<kind>-<size>-v0`, `londi/Generate-v0` and `londi/ToolCalls-v0`. This file knows
names; not how an environment works.
"""

from __future__ import annotations

import inspect
from copy import deepcopy
from importlib import import_module
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator

from londi.envs.contract import check_spaces
from londi.envs.generate.env import Generate  # noqa: F401  made by name
from londi.envs.info import Options
from londi.envs.prompt import HISTORY
from londi.envs.scienceworld.env import SHORT_TASKS, ScienceWorld  # noqa: F401  made by name
from londi.envs.scienceworld.env import TASKS as SCIENCEWORLD_TASKS
from londi.envs.textworld.challenges import CHALLENGES, KINDS
from londi.envs.textworld.env import TextWorld  # noqa: F401  made by name
from londi.envs.toolcalls.env import ToolCalls  # noqa: F401  made by name
from londi.errors import (
    FOREIGN_ERRORS,
    InvalidConfig,
    LondiError,
    UnknownName,
    extras_named,
    one_line,
)

__all__ = [
    "environment_names",
    "make_env",
    "make_unchecked",
    "register",
]

NAMESPACE = "londi"

MIXES: dict[str, Options] = {
    "MixedTrainLocal": {},
    "MixedTestLocal": {"held_out": True},
    "PickUpSeqGoToLocal": {"kinds": ("sequence",)},
    "PickUpThenGoToLocal": {"kinds": ("sequence",), "wordings": ("then",)},
    "GoToAfterPickUpLocal": {"kinds": ("sequence",), "wordings": ("after",)},
}
"""BabyAI-Text's own levels, with their arguments for `MixedLocal`."""


BABYAI_LEVELS = """
    ActionObjDoor-v0 BlockedUnlockPickup-v0 BossLevel-v0 BossLevelNoUnlock-v0 FindObjS5-v0
    FindObjS6-v0 FindObjS7-v0 GoTo-v0 GoToDoor-v0 GoToImpUnlock-v0 GoToLocal-v0
    GoToLocalS5N2-v0 GoToLocalS6N2-v0 GoToLocalS6N3-v0 GoToLocalS6N4-v0 GoToLocalS7N4-v0
    GoToLocalS7N5-v0 GoToLocalS8N2-v0 GoToLocalS8N3-v0 GoToLocalS8N4-v0 GoToLocalS8N5-v0
    GoToLocalS8N6-v0 GoToLocalS8N7-v0 GoToObj-v0 GoToObjDoor-v0 GoToObjMaze-v0
    GoToObjMazeOpen-v0 GoToObjMazeS4-v0 GoToObjMazeS4R2-v0 GoToObjMazeS5-v0 GoToObjMazeS6-v0
    GoToObjMazeS7-v0 GoToObjS4-v0 GoToObjS6-v1 GoToOpen-v0 GoToRedBall-v0 GoToRedBallGrey-v0
    GoToRedBallNoDists-v0 GoToRedBlueBall-v0 GoToSeq-v0 GoToSeqS5R2-v0 KeyCorridor-v0
    KeyCorridorS3R1-v0 KeyCorridorS3R2-v0 KeyCorridorS3R3-v0 KeyCorridorS4R3-v0
    KeyCorridorS5R3-v0 KeyCorridorS6R3-v0 KeyInBox-v0 MiniBossLevel-v0 MoveTwoAcrossS5N2-v0
    MoveTwoAcrossS8N9-v0 OneRoomS12-v0 OneRoomS16-v0 OneRoomS20-v0 OneRoomS8-v0 Open-v0
    OpenDoor-v0 OpenDoorColor-v0 OpenDoorDebug-v0 OpenDoorLoc-v0 OpenDoorsOrderN2-v0
    OpenDoorsOrderN2Debug-v0 OpenDoorsOrderN4-v0 OpenDoorsOrderN4Debug-v0
    OpenRedBlueDoors-v0 OpenRedBlueDoorsDebug-v0 OpenRedDoor-v0 OpenTwoDoors-v0 Pickup-v0
    PickupAbove-v0 PickupDist-v0 PickupDistDebug-v0 PickupLoc-v0 PutNextLocal-v0
    PutNextLocalS5N3-v0 PutNextLocalS6N4-v0 PutNextS4N1-v0 PutNextS5N1-v0 PutNextS5N2-v0
    PutNextS5N2Carrying-v0 PutNextS6N3-v0 PutNextS6N3Carrying-v0 PutNextS7N4-v0
    PutNextS7N4Carrying-v0 Synth-v0 SynthLoc-v0 SynthS5R2-v0 SynthSeq-v0 UnblockPickup-v0
    Unlock-v0 UnlockLocal-v0 UnlockLocalDist-v0 UnlockPickup-v0 UnlockPickupDist-v0
    UnlockToUnlock-v0
""".split()  # noqa: SIM905
"""minigrid's BabyAI levels. Written out so that naming them does not import minigrid."""


def _make_mix(
    mix: str,
    expert: bool = False,
    memory: int | None = HISTORY,
    render_mode: str | None = None,
) -> gym.Env[str, str]:
    from londi.envs.babyai.env import BabyAIText
    from londi.envs.babyai.levels import MixedLocal

    made = MixedLocal(**MIXES[mix], render_mode=render_mode)
    return BabyAIText(made, expert, memory, render_mode)


def _make_level(
    level: str,
    expert: bool = False,
    memory: int | None = None,
    render_mode: str | None = None,
) -> gym.Env[str, str]:
    # Imported first: it keeps minigrid's generation notices off standard output.
    import londi.envs.babyai.levels  # noqa: F401
    from londi.envs.babyai.env import BabyAIText

    # Three views are enough in a mix's one room; a maze takes an expert that remembers all.
    made = gym.make(level, render_mode=render_mode, disable_env_checker=True).unwrapped
    return BabyAIText(made, expert, memory, render_mode)  # type: ignore[arg-type]


def register() -> None:
    """Register londi's environments with Gymnasium; importing this package does it.

    Doing so twice is harmless.
    """
    makers: dict[str, tuple[str, Options]] = {
        f"BabyAIText-{mix}-v0": ("_make_mix", {"mix": mix}) for mix in MIXES
    }
    makers |= {
        f"BabyAIText-{level}": ("_make_level", {"level": f"BabyAI-{level}"})
        for level in BABYAI_LEVELS
    }
    science: dict[str, Options] = {
        "ScienceWorld-v0": {},
        "ScienceWorld-short-v0": {"tasks": SHORT_TASKS, "limit": 50},
    }
    science |= {f"ScienceWorld-{task}-v0": {"tasks": [task]} for task in SCIENCEWORLD_TASKS}
    makers |= {name: ("ScienceWorld", kwargs) for name, kwargs in science.items()}
    text: dict[str, Options] = {"TextWorld-v0": {}}
    for kind in KINDS:
        sizes = [name for name in CHALLENGES if name.startswith(f"{kind}-")]
        text |= {f"TextWorld-{kind}-v0": {"challenges": sizes}}
        text |= {f"TextWorld-{name}-v0": {"challenges": [name]} for name in sizes}
    makers |= {name: ("TextWorld", kwargs) for name, kwargs in text.items()}
    makers["Generate-v0"] = ("Generate", {})
    makers["ToolCalls-v0"] = ("ToolCalls", {})
    for name, (maker, kwargs) in makers.items():
        if f"{NAMESPACE}/{name}" not in gym.registry:
            gym.register(
                f"{NAMESPACE}/{name}",
                entry_point=f"{__name__}:{maker}",
                kwargs=dict(kwargs),
                order_enforce=False,
            )


def environment_names() -> list[str]:
    """The names of londi's environments, mixes first."""
    return [name for name in gym.registry if name.startswith(f"{NAMESPACE}/")]


def make_env(name: str, /, **options: Any) -> gym.Env[str, str]:
    """Make a text environment by its Gymnasium name, with options of its own.

    Args:
        name: the registered name; ``"module:name"`` imports the module first.
        options: options of the environment, whatever they are called.

    Raises:
        UnknownName: if nothing is registered under that name, or it has no such option; suggests
            the nearest.
        InvalidConfig: if the module cannot be imported, an option has a wrong value, or the result
            is no text environment.
    """
    made = make_unchecked(name, **options)
    check_spaces(made)
    return made


def make_unchecked(name: str, /, **options: Any) -> gym.Env[str, str]:
    """As `make_env`, whatever the environment is observed and acted on in.

    Raises:
        LondiError: as `make_env`.
    """
    module, _, name = name.rpartition(":")
    if module:
        try:
            import_module(module)
        except (ImportError, SyntaxError, TypeError, ValueError) as error:
            raise InvalidConfig(f"env: cannot import {module!r}: {_line(error)}") from error
        except FOREIGN_ERRORS as error:  # whatever a user's module raises when imported
            raise InvalidConfig(f"env: cannot import {module!r}: {one_line(error)}") from error
    if name not in gym.registry:
        own = [known for known, spec in gym.registry.items() if module and _is_of(spec, module)]
        if module and not own:
            raise InvalidConfig(f"env: {module!r} registers no environment, and so no {name!r}")
        raise UnknownName("environment", name, own or environment_names())
    known = _options(name)
    for option in options:
        if known is not None and option not in known:
            raise UnknownName(f"option of {name}", str(option), known)
    # In the specification and not as arguments of `gym.make`, which takes some names as its own.
    spec = deepcopy(gym.registry[name])
    spec.kwargs.update(options)
    try:
        with extras_named():
            made: gym.Env[str, str] = gym.make(spec, disable_env_checker=True)
    except LondiError:
        raise
    except (TypeError, ValueError, ImportError, gym.error.Error) as error:
        raise InvalidConfig(f"{name} with {options}: {_line(error)}") from error
    except FOREIGN_ERRORS as error:  # whatever a user's environment raises
        raise InvalidConfig(f"{name} with {options}: {one_line(error)}") from error
    return made


def _is_of(spec: EnvSpec, module: str) -> bool:
    """Whether the environment is made by that module."""
    made_by = spec.entry_point
    return module == (made_by.__module__ if callable(made_by) else str(made_by).partition(":")[0])


def _options(name: str) -> set[str] | None:
    """The options of an environment; None if it takes anything.

    Raises:
        InvalidConfig: if the environment's code cannot be imported.
    """
    made_by = gym.registry[name].entry_point
    try:
        creator = made_by if callable(made_by) else load_env_creator(str(made_by))
    except (ImportError, SyntaxError, AttributeError, ValueError) as error:
        raise InvalidConfig(f"env: cannot import {made_by!r} of {name}: {_line(error)}") from error
    parameters = inspect.signature(creator).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return None
    # These are fixed by the name; in an environment of the user's own they mean something else.
    ours = creator in (_make_mix, _make_level)
    return parameters.keys() - ({"mix", "level"} if ours else set())


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


register()

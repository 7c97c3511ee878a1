"""`londi envs`: the environments that can be named, by family, and checks of one."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from jsonargparse import ArgumentParser, Namespace

from londi.cli.options import metavar
from londi.cli.verb import Verb
from londi.envs.info import Options
from londi.errors import InvalidConfig, InvalidEnvironment, UnknownName


@dataclass(frozen=True)
class Family:
    """Environments of a kind.

    Attributes:
        title: its name.
        prefix: how the names of its environments begin.
        description: what is played there.
        models: how the names of its built-in models begin; empty if there are none.
        trained: the environment that they were trained on.
    """

    title: str
    prefix: str
    description: str
    models: str = ""
    trained: str = ""


FAMILIES = (
    Family(
        "BabyAI",
        "londi/BabyAIText-",
        "Rooms with doors, keys, balls and boxes, described in words; six actions. The mixes are"
        " BabyAI-Text's, the rest are minigrid's levels.",
        "builtin:babyai",
        "londi/BabyAIText-MixedTrainLocal-v0",
    ),
    Family(
        "ScienceWorld",
        "londi/ScienceWorld-",
        "Thirty experiments of a primary-school science class, with actions written as text"
        " (pip install 'londi[scienceworld]').",
        "builtin:scienceworld",
        "londi/ScienceWorld-short-v0",
    ),
    Family(
        "TextWorld",
        "londi/TextWorld-",
        "Generated text games: cooking after a recipe, treasure hunts and coin collecting, each at"
        " three sizes (pip install 'londi[textworld]').",
        "builtin:textworld",
        "londi/TextWorld-cooking-easy-v0",
    ),
    Family(
        "Texts",
        "londi/Generate-v0",
        "Texts that are written chunk by chunk and scored at their end, from a file of tasks or a"
        " dataset of reasoning-gym (--env_options '{tasks: ..., scorer: ..., chunk: line}').",
    ),
    Family(
        "Tool calls",
        "londi/ToolCalls-",
        "Conversations of the Berkeley Function Calling Leaderboard, in which a user asks for what"
        " functions can do; any text is an action (pip install 'londi[tools]', and bfcl_eval"
        " without its dependencies).",
    ),
)


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "filter",
        nargs="?",
        type=str,
        default="",
        metavar="WORD",
        help="Only names with this word in them, in capitals or not.",
    )
    parser.add_argument(
        "--check",
        type=str,
        default=None,
        metavar="ENV",
        help="Try this environment, such as module:name, and tell each fault and how to mend it.",
    )
    parser.add_argument(
        "--env_options",
        type=dict[str, Any],
        default={},
        metavar=metavar(dict[str, Any]),
        help="Options of the environment that is tried.",
    )


def _run(given: Namespace) -> int:
    if given.check is None:
        if given.env_options:
            raise InvalidConfig("env_options: expected together with --check ENV")
        return _list(given.filter)
    if given.filter:
        raise InvalidConfig(f"expected a word or --check ENV, got both, {given.filter!r}")
    return _check(given.check, given.env_options)


def _check(name: str, options: Options) -> int:
    from londi.envs.checker import inspect_env
    from londi.envs.episode import close

    with ExitStack() as made:
        env, other = _made(name, options), _made(name, options)
        for one in (env, other):
            made.callback(close, one)
        report = inspect_env(env, other=other)
    for kind, findings in (("fault", report.faults), ("hint", report.hints)):
        for finding in findings:
            print(f"{kind}: {finding}")
    if report.faults:
        count = f"{len(report.faults)} fault{'s' if len(report.faults) > 1 else ''}"
        raise InvalidEnvironment(f"{report.name}: {count} against the contract of environments")
    print(f"{report.name} follows the contract. A model reads in its first state:\n{report.prompt}")
    return 0


def _made(name: str, options: Options) -> gym.Env[str, str]:
    """The environment, with its expert where it has one."""
    from londi.envs.registry import make_unchecked

    try:
        return make_unchecked(name, **{"expert": True, **options})
    except UnknownName:  # it has no such option
        return make_unchecked(name, **options)


def _list(word: str) -> int:
    from textwrap import fill

    from londi.envs.registry import environment_names
    from londi.models.registry import builtin_models

    names = environment_names()
    found = [name for name in names if word.lower() in name.lower()]
    if not found:
        raise UnknownName("environment", word, names)
    for family in FAMILIES:
        inside = [name for name in found if name.startswith(family.prefix)]
        if not inside:
            continue
        print(fill(f"{family.title}: {family.description}", 80))
        if family.models:
            models = [name for name in builtin_models() if name.startswith(family.models)]
            print(fill(f"Built-in models: {', '.join(models)}; * marks where it was trained.", 80))
        for name in inside:
            print(name + (" *" if name == family.trained else ""))
        print()
    rest = [name for name in found if not name.startswith(tuple(f.prefix for f in FAMILIES))]
    print("\n".join(rest) if rest else "", end="\n" if rest else "")
    return 0


VERB = Verb(
    name="envs",
    description="List the environments that can be named, by family, or check one of your own.",
    add_arguments=_arguments,
    run=_run,
    usage="[WORD | --check ENV]",
    examples=(
        "londi envs",
        "londi envs scienceworld",
        "londi envs --check shelves:mine/Shelves-v0",
    ),
)

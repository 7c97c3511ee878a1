"""`londi envs`: the environments that can be named, by family."""

from __future__ import annotations

from dataclasses import dataclass

from jsonargparse import ArgumentParser, Namespace

from londi.cli.verb import Verb
from londi.errors import UnknownName


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
    ),
    Family(
        "Texts",
        "londi/Generate-v0",
        "Texts that are written chunk by chunk and scored at their end, from a file of tasks or a"
        " dataset of reasoning-gym (--env_options '{tasks: ..., scorer: ..., chunk: line}').",
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


def _run(given: Namespace) -> int:
    from textwrap import fill

    from londi.envs.registry import environment_names
    from londi.models.registry import builtin_models

    names = environment_names()
    found = [name for name in names if given.filter.lower() in name.lower()]
    if not found:
        raise UnknownName("environment", given.filter, names)
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
    description="List the environments that can be named, by family.",
    add_arguments=_arguments,
    run=_run,
    usage="[WORD]",
    examples=("londi envs", "londi envs scienceworld", "londi envs goto"),
)

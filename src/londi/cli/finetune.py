"""`londi finetune`: train a language model by imitation of an expert."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.interrupt import Interrupt, interrupted
from londi.cli.options import add_ray, add_run, add_settings, ray_of, run_of
from londi.cli.verb import Verb
from londi.config import FinetuneConfig

GROUPS = {
    "what matters first": ("env", "base", "steps", "episodes", "rounds", "seed", "device"),
    "a new model": (
        "d_model",
        "d_ff",
        "heads",
        "layers",
        "decoder_layers",
        "dropout",
        "vocabulary",
        "phrases",
        "tokenizer_episodes",
    ),
    "episodes": (
        "env_options",
        "history",
        "max_tokens",
        "noise",
        "demonstrations",
        "exchanges",
        "copies",
        "round_episodes",
        "round_expert_share",
        "evaluation_episodes",
        "num_envs",
        "workers",
        "round_workers",
    ),
    "learning": (
        "batch_size",
        "optimizer",
        "arithmetic",
        "learning_rate",
        "warmup",
        "weight_decay",
        "threads",
    ),
    "files": ("save_dtype", "report_every", "save_every"),
}


def _arguments(parser: ArgumentParser) -> None:
    add_run(parser)
    add_settings(parser, FinetuneConfig, GROUPS)
    add_ray(parser)


def _run(given: Namespace) -> int:
    from londi.cli.bars import Stages
    from londi.imitation.finetune import FinetuneProgress, finetune

    config, folder = run_of(given, FinetuneConfig)
    stages = Stages("recording", config.episodes, waiting="reading episodes", quiet=given.quiet)
    with ray_of(given, config.round_workers) as ray, Interrupt() as asked, stages:

        def told(p: FinetuneProgress) -> None:
            stages.bar("training", p.steps, begun=p.step).show(
                p.step,
                f"round {p.round}  loss {p.loss:.4f}  {p.examples_per_second:.0f} examples/s"
                f"  success while gathering {p.success:.2f}",
            )

        figures = finetune(
            config,
            folder,
            resume=bool(given.resume),
            overwrite=given.overwrite,
            on_episodes=lambda stage, done, total: stages.bar(stage, total).show(done),
            on_progress=told,
            should_stop=asked,
            ray=ray,
        )
    if figures is None:
        return interrupted("finetune", folder)
    print(f"model in {folder / 'model'}: " + ", ".join(f"{k} {v}" for k, v in figures.items()))
    return 0


VERB = Verb(
    name="finetune",
    description="Train a language model by imitation of an environment's expert.",
    add_arguments=_arguments,
    run=_run,
    usage="--out DIR [OPTION ...]",
    examples=(
        "londi finetune --config recipes/babyai-quick.yaml --out runs/quick",
        "londi finetune --resume runs/quick",
        "londi train --quick runs/quick/model --out runs/mine",
    ),
)

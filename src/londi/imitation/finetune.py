"""`londi finetune`: train a language model to act, by imitation of an expert.

Rounds of recording and training: the first round's episodes are the expert's (with noise), the
later ones are played by the model and labelled by the expert (DAgger, arXiv 1011.0686). The model
is a new T5 with a tokenizer learned from the prompts, or starts from any Hugging Face checkpoint,
seq2seq or causal. This file knows no Switcher, except one that lets a model play alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count, islice
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from londi.config import FinetuneConfig
from londi.config.ray import RayConfig
from londi.envs.registry import make_env
from londi.envs.seeds import HELD_OUT, demonstration_seeds, held_out_seeds
from londi.evaluation.play import play, summary
from londi.imitation.demonstrations import (
    PART,
    Demonstration,
    check_expert,
    demonstrations_file,
    join_demonstrations,
    load_demonstrations,
    record_expert,
    save_demonstrations,
)
from londi.imitation.examples import Examples
from londi.imitation.exchange import with_copies
from londi.imitation.preflight import check_folders, check_machine
from londi.imitation.rounds import OnEpisodes, own_states
from londi.imitation.tokenizer import learn_tokenizer, new_model
from londi.models.base import LanguageModel
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.hf.transformer import TransformerModel
from londi.models.pair import ModelPair
from londi.models.registry import load_model, load_transformer
from londi.storage.atomic import write_whole
from londi.storage.checkpoint import has_state, load_state, save_state
from londi.storage.runs import create_run, locked
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher
from londi.types import StateDict

CHECKPOINT, MODEL = "checkpoint", "model"


@dataclass(frozen=True, slots=True)
class FinetuneProgress:
    """Progress of a training, for display.

    Attributes:
        round: number of the round.
        step, steps: gradient steps so far, and in all.
        loss: mean loss since the last report.
        examples_per_second: speed since the last report.
        success: share of the round's episodes that ended in success; the expert with noise played
            those of round 0, the model of that time those of later rounds.
    """

    round: int
    step: int
    steps: int
    loss: float
    examples_per_second: float
    success: float


def finetune(
    config: FinetuneConfig,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_episodes: OnEpisodes = lambda stage, done, total: None,
    on_progress: Callable[[FinetuneProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    ray: RayConfig | None = None,
) -> StateDict | None:
    """Train a model as `config` says and leave it in `folder/model`.

    Args:
        config: the settings.
        folder: the folder of the run.
        resume: go on from the last checkpoint of an interrupted run with this configuration.
        overwrite: replace an earlier run.
        on_episodes: called as episodes are played: the stage ("recording", "playing" or
            "evaluating"), how many are done, and of how many.
        on_progress: called with every report.
        should_stop: asked after every part of the recording and every step; if true, what there is
            is kept and training ends.
        ray: where the episodes of further rounds are played; None for this process.

    Returns:
        The figures of the model card, success on held-out episodes among them; None if it was
        stopped.

    Raises:
        LondiError: if a setting cannot be used on this machine, or a file cannot be written.
    """
    # Everything that can be refused is refused before anything is played or written.
    make_env(config.env, **config.env_options).close()
    check_machine(config)
    bot = demonstrations_file(folder, 0)
    if not (resume and bot.is_file()):
        check_folders(config, folder, overwrite or resume)
        if not config.demonstrations:
            first = demonstration_seeds(config.seed, 0, 1)[0]
            check_expert(config.env, first, config.noise, config.env_options)
    base = _load_base(config)
    if not resume:
        create_run(folder, config, overwrite)
    with locked(folder):
        return _finetune(config, folder, base, on_episodes, on_progress, should_stop, ray)


def _finetune(
    config: FinetuneConfig,
    folder: Path,
    base: TransformerModel | None,
    on_episodes: OnEpisodes,
    on_progress: Callable[[FinetuneProgress], None],
    should_stop: Callable[[], bool],
    ray: RayConfig | None,
) -> StateDict | None:
    """Train from where the run in `folder` is; the figures, or None if it was stopped."""
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    started = time.perf_counter()

    bot = demonstrations_file(folder, 0)
    if not bot.is_file() and not _record(config, folder, on_episodes, should_stop):
        return None
    episodes = load_demonstrations(bot)
    lm = base or _new_model(config, episodes)
    optimizers = make_optimizers(lm.model, config)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimizer, _warm_then_linear(config))
        for optimizer in optimizers
    ]
    step, spent = 0, 0.0
    saved = folder / CHECKPOINT
    if has_state(saved):
        state = load_state(saved)
        lm.model.load_state_dict(state["model"])
        for part, loaded in zip(optimizers, state["optimizers"], strict=True):
            part.load_state_dict(loaded)
        for schedule, loaded in zip(schedules, state["schedules"], strict=True):
            schedule.load_state_dict(loaded)
        step, spent = int(state["step"]), state["seconds"]

    examples = Examples()
    _add(examples, lm, episodes, config, 0)
    success = float(np.mean([e.success for e in episodes]))
    del episodes
    for number in range(config.rounds + 1):
        first, last = (config.steps * k // (config.rounds + 1) for k in (number, number + 1))
        if number > 0:
            file = demonstrations_file(folder, number)
            if not file.is_file():
                lm.model.eval()
                played = own_states(lm, config, number, on_episodes, ray)
                save_demonstrations(file, played)
            own = load_demonstrations(file)
            success = float(np.mean([e.success for e in own]))
            _add(examples, lm, own, config, number)
        if step >= last:
            continue
        lm.model.train()
        rng = np.random.default_rng([config.seed, first])
        batches = examples.batches(config.batch_size, rng, lm.tokenizer.pad_token_id)
        # A resumed run passes over what it has learned from, and ends as an uninterrupted one.
        batches = islice(batches, step - first, None)
        mark, mean = time.perf_counter(), 0.0
        while step < last:
            mean += _learn(lm, optimizers, schedules, next(batches), config)
            step += 1
            if step % config.report_every == 0 or step == last:
                now = time.perf_counter()
                count = (step - 1) % config.report_every + 1
                speed = count * config.batch_size / (now - mark)
                on_progress(
                    FinetuneProgress(number, step, config.steps, mean / count, speed, success)
                )
                mark, mean = now, 0.0
            stopped = should_stop()
            if stopped or step % config.save_every == 0 or step == last:
                save_state(
                    saved,
                    {
                        "model": lm.model.state_dict(),
                        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                        "schedules": [schedule.state_dict() for schedule in schedules],
                        "step": step,
                        "seconds": spent + time.perf_counter() - started,
                    },
                )
            if stopped:
                return None
    lm.model.eval()
    lm.save(folder / MODEL, getattr(torch, config.save_dtype))
    figures = {
        **_figures(load_model(str(folder / MODEL)), config, on_episodes),
        "parameters": sum(p.numel() for p in lm.model.parameters()),
        "examples": len(examples),
        "seconds": round(spent + time.perf_counter() - started, 1),
    }
    write_whole(folder / MODEL / "README.md", [model_card(config, figures)])
    recipe = json.dumps({"config": asdict(config), "figures": figures}, indent=1) + "\n"
    write_whole(folder / MODEL / "recipe.json", [recipe])
    return figures


def make_optimizers(model: Any, config: FinetuneConfig) -> list[torch.optim.Optimizer]:
    """AdamW for all weights, or Muon for the matrices between layers and AdamW for the rest."""
    ends = [part for part in model.modules() if isinstance(part, torch.nn.Embedding)]
    if head := model.get_output_embeddings():
        ends.append(head)
    outer = {id(part.weight) for part in ends}
    hidden = [
        weight
        for weight in model.parameters()
        if config.optimizer == "muon" and weight.ndim == 2 and id(weight) not in outer
    ]
    chosen = set(map(id, hidden))
    rest = [weight for weight in model.parameters() if id(weight) not in chosen]
    rate, decay = config.learning_rate, config.weight_decay
    made: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=decay, fused=True)
    ]
    if hidden:
        # Scaled to AdamW's step size, so that one learning rate serves both.
        made.append(
            torch.optim.Muon(hidden, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        )
    return made


def _learn(
    lm: TransformerModel,
    optimizers: Sequence[torch.optim.Optimizer],
    schedules: Sequence[torch.optim.lr_scheduler.LRScheduler],
    batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    config: FinetuneConfig,
) -> float:
    """One step of gradient; returns the loss."""
    ids, mask, labels = (tensor.to(lm.model.device) for tensor in batch)
    low = getattr(torch, config.arithmetic)
    with torch.autocast(lm.model.device.type, low, enabled=config.arithmetic != "float32"):
        loss = lm.loss(ids, mask, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(lm.model.parameters(), 1.0)
    for optimizer, schedule in zip(optimizers, schedules, strict=True):
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return float(loss.detach())


def _record(
    config: FinetuneConfig,
    folder: Path,
    on_episodes: OnEpisodes,
    should_stop: Callable[[], bool],
) -> bool:
    """Leave the expert's episodes in `folder`; False if it was stopped before the last.

    Parts that were recorded before it was stopped are there already.
    """
    whole = demonstrations_file(folder, 0)
    if config.demonstrations:
        lent = demonstrations_file(Path(config.demonstrations), 0)
        save_demonstrations(whole, load_demonstrations(lent))
        return True
    parts = [whole.with_name(f"{whole.name}.{k}") for k in range(ceil(config.episodes / PART))]
    done = sum(part.is_file() for part in parts) * PART
    seeds = demonstration_seeds(config.seed, 0, config.episodes)[done:]
    on_episodes("recording", done, config.episodes)
    with closing(
        record_expert(config.env, seeds, config.noise, config.workers, config.env_options)
    ) as recorded:
        for part in parts[done // PART :]:
            if should_stop():
                return False
            episodes = next(recorded)
            save_demonstrations(part, episodes)
            done += len(episodes)
            on_episodes("recording", done, config.episodes)
    join_demonstrations(whole, parts)
    return True


def _add(
    examples: Examples,
    lm: TransformerModel,
    episodes: Sequence[Demonstration],
    config: FinetuneConfig,
    number: int,
) -> None:
    """Add the episodes of a round, and their copies."""
    rng = np.random.default_rng([config.seed, number])
    for some in with_copies(episodes, config.exchanges, config.copies, rng):
        examples.add(lm, some)


def _load_base(config: FinetuneConfig) -> TransformerModel | None:
    """The model to start from; None for a new one."""
    if not config.base:
        return None
    return load_transformer(
        config.base,
        backend="torch",  # another one would go on with the weights that it was made from
        device=config.device,
        history=config.history,
        max_tokens=config.max_tokens,
    )


def _new_model(config: FinetuneConfig, episodes: Sequence[Demonstration]) -> TransformerModel:
    """A T5 with random weights, and a tokenizer learned from the prompts of some episodes."""
    sample = episodes[: config.tokenizer_episodes]
    texts = [p.text() for episode in sample for p, _ in episode.examples(config.history)]
    texts += sorted({label for episode in sample for label in episode.labels})
    tokenizer = learn_tokenizer(texts, config.phrases, config.vocabulary)
    model = new_model(config, tokenizer).to(config.device)
    return Seq2SeqModel(
        model, tokenizer, "new", history=config.history, max_tokens=config.max_tokens
    )


def _warm_then_linear(config: FinetuneConfig) -> Callable[[int], float]:
    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / config.warmup)
        return warm * max(0.0, 1.0 - step / config.steps)

    return factor


def _figures(lm: LanguageModel, config: FinetuneConfig, on_episodes: OnEpisodes) -> StateDict:
    """Return, success and length of held-out episodes that the model plays alone."""
    total, done = config.evaluation_episodes, count(1)
    played = summary(
        play(
            ModelPair(lm, lm, partial(make_env, config.env, **config.env_options)),
            ConstantSwitcher(0.0),
            held_out_seeds(total),
            cost=0.0,
            budget=Budget(),
            num_envs=config.num_envs,
            seed=config.seed,
            on_episode=lambda: on_episodes("evaluating", next(done), total),
        )
    )
    return {
        "episodes": len(played),
        "return": round(float(np.mean([e.total for e in played])), 4),
        "success": round(float(np.mean([e.success for e in played])), 4),
        "steps": round(float(np.mean([e.steps for e in played])), 2),
    }


def model_card(config: FinetuneConfig, figures: StateDict) -> str:
    """A model card in the form that model hubs read."""
    rows = "\n".join(f"| {key} | {value} |" for key, value in figures.items())
    settings = "\n".join(f"- `{key}`: {value}" for key, value in asdict(config).items())
    more = " and by DAgger on its own states" if config.rounds else ""
    return (
        f"---\nlicense: mit\nlibrary_name: transformers\ntags: [londi, imitation]\n---\n"
        f"# A player for {config.env}\n\n"
        f"A model trained by `londi finetune` to name the next action, by imitation of\n"
        f"the environment's expert{more}. It reads the last\n"
        f"{config.history} observation(s) of a prompt. It knows this environment only.\n\n"
        f"## Figures\n\nGreedy play on held-out episodes (seeds from {HELD_OUT}).\n\n"
        f"| figure | value |\n|---|---|\n{rows}\n\n"
        f"## Recipe\n\n{settings}\n"
    )

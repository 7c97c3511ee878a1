"""The command line: the only file that reads arguments, prints or exits.

Every verb has a typed configuration (`londi.config`), whose fields are options here and keys in
a YAML file alike. What a user gets wrong is answered in one line, with exit code 2.
"""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace, set_parsing_settings

from londi.config import (
    EvaluateConfig,
    FinetuneConfig,
    FrontierConfig,
    LimitConfig,
    SweepConfig,
    TrainConfig,
    TuneConfig,
)
from londi.config.settings import explain
from londi.errors import InvalidConfig, LondiError, OutputExists, UnknownName

if TYPE_CHECKING:
    from londi.evaluation.curves import Estimate, Frontier
    from londi.evaluation.metrics import Result
    from londi.models.pair import Pair
    from londi.switching.switcher import Switcher

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

# Answers are kept in memory: a demonstration leaves nothing outside of its folder.
DEMO = TrainConfig(cache="memory")
DEMO_EVALUATION = EvaluateConfig(episodes=200, validation_episodes=50)


class Interrupt:
    """Ctrl-C as a question that a training asks between two steps; the second one kills."""

    def __init__(self) -> None:
        self._asked = False

    def __enter__(self) -> Callable[[], bool]:
        self._previous = signal.signal(signal.SIGINT, self._note)
        return lambda: self._asked

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _note(self, *_: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


def verbs() -> dict[str, ArgumentParser]:
    """The parser of each verb, by its name."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    demo = _parser("demo", "Train and compare on the built-in default, in a few minutes.")
    demo.add_argument("--out", type=str, default="runs/demo", help="Folder of the run.")
    demo.add_argument("--seed", type=int, default=0, help="Seed of the training.")
    _overwrite(demo)

    train = _parser("train", "Train a Switcher between two language models.")
    _configured(train, TrainConfig)
    _out(train)

    evaluate = _parser(
        "evaluate",
        "Play held-out episodes with QUICK, DEEPTHINK, the baselines and trained Switchers. "
        "Several runs that differ in their seed only are also summed up together.",
    )
    evaluate.add_argument("runs", nargs="+", type=str, help="Folders of `londi train`.")
    evaluate.add_argument(
        "--out", type=str, default="", help="Folder for the figures of several runs together."
    )
    _overwrite(evaluate)
    _configured(evaluate, EvaluateConfig)

    tune = _parser(
        "tune",
        "Choose where a universal Switcher is operated: by a call rate, a return to keep, a budget"
        " or the price of tokens.",
    )
    tune.add_argument("run", type=str, help="Folder of `londi train --universal true`.")
    _configured(tune, TuneConfig)

    limit = _parser(
        "limit", "Find the best that any Switcher could have done on held-out episodes."
    )
    _configured(limit, LimitConfig)
    limit.add_argument("--out", type=str, required=True, help="Folder of the figures.")
    _overwrite(limit)

    frontier = _parser(
        "frontier",
        "Hold universal Switchers against baselines at every call rate and budget, and against the"
        " best that was possible.",
    )
    frontier.add_argument(
        "runs", nargs="*", type=str, help="Folders of `londi train --universal true`, one a seed."
    )
    _configured(frontier, FrontierConfig, skip={"runs"})
    _out(frontier)

    report = _parser("report", "Make a page to look at of what `londi frontier` has played.")
    report.add_argument("folder", type=str, help="Folder of `londi frontier`.")

    sweep = _parser(
        "sweep",
        "Train and evaluate a Switcher at every point of a grid. Runs share a cache of answers.",
    )
    _configured(sweep, SweepConfig)
    _out(sweep)

    finetune = _parser("finetune", "Train a language model by imitation of an expert.")
    _configured(finetune, FinetuneConfig)
    _out(finetune)

    envs = _parser("envs", "List the environments that can be named.")
    models = _parser("models", "List the language models that can be named.")
    return {
        "demo": demo,
        "train": train,
        "evaluate": evaluate,
        "tune": tune,
        "limit": limit,
        "frontier": frontier,
        "report": report,
        "sweep": sweep,
        "finetune": finetune,
        "envs": envs,
        "models": models,
    }


def parser() -> ArgumentParser:
    """The parser of `londi`."""
    main = ArgumentParser(
        prog="londi",
        description="Learn when to call the large language model: LONDI (arXiv 2402.12061).",
        exit_on_error=False,
    )
    subcommands = main.add_subcommands(dest="verb", metavar="VERB")
    for name, verb in verbs().items():
        assert verb.description
        subcommands.add_subcommand(name, verb, help=verb.description)
    return main


def _parser(verb: str, description: str) -> ArgumentParser:
    return ArgumentParser(prog=f"londi {verb}", description=description, exit_on_error=False)


def _configured(parser: ArgumentParser, config: type, skip: set[str] | None = None) -> None:
    parser.add_argument("--config", action="config", help="YAML file with any of these settings.")
    parser.add_class_arguments(config, fail_untyped=True, skip=skip)


def _out(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=str, default="", help="Folder of the new run.")
    parser.add_argument("--resume", type=str, default="", help="Folder of a run to go on with.")
    _overwrite(parser)


def _overwrite(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--overwrite", action="store_true", help="Replace what an earlier run left there."
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run a verb; exit code 0, 2 for what the user got wrong, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        code = _run([_spelled(argument) for argument in arguments])
    except LondiError as error:
        code = _complain(str(error))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _spelled(argument: str) -> str:
    """`--call-rate` is `--call_rate`: an option has the name of the field that holds it."""
    name, equals, value = argument.partition("=")
    if name[:2] != "--":
        return argument
    return f"--{name[2:].replace('-', '_')}{equals}{value}"


def _run(arguments: list[str]) -> int:
    main = parser()
    if not arguments:
        main.print_help()
        return 0
    try:
        given = main.parse_args(arguments)
    except ArgumentError as error:
        raise _misused(str(error), arguments[0]) from error
    except UnicodeDecodeError as error:
        raise InvalidConfig("--config: the file is no text") from error
    verb: str = given.verb
    _check_resumed(verb, given[verb])
    code: int = globals()[f"_{verb}"](given[verb])
    return code


def _check_resumed(verb: str, given: Namespace) -> None:
    """A run goes on as it began: an option beside --resume would be ignored, so it is refused."""
    if given.get("resume"):
        values, defaults = given.as_dict(), verbs()[verb].get_defaults().as_dict()
        # Folders that are not named are an empty list, or none at all.
        told = [name for name in values if (values[name] or None) != (defaults[name] or None)]
        told.remove("resume")
        if told:
            raise LondiError(
                f"a run goes on as it began: expected --resume alone, got --{told[0]} as well"
            )


def _complain(message: str) -> int:
    print(f"londi: error: {message}", file=sys.stderr)
    return 2


def _warn(message: str) -> None:
    print(f"londi: warning: {message}", file=sys.stderr)


def _misused(message: str, verb: str) -> LondiError:
    """What the parser says, in one line, with the nearest valid name where one is unknown."""
    known = verbs()
    if verb.startswith("-"):
        return explain(message, ["help"])
    if verb not in known:
        return UnknownName("verb", verb, known)
    options = (option for action in known[verb]._actions for option in action.option_strings)
    return explain(message, [name.removeprefix("--") for name in options if name[:2] == "--"])


def _config_of(given: Namespace, kind: Callable[..., Any]) -> Any:
    values = given.as_dict()
    return kind(**{f.name: values[f.name] for f in fields(kind)})  # type: ignore[arg-type]


def _run_of(given: Namespace, kind: Any) -> tuple[Any, Path]:
    """The configuration and the folder of a run that is new, or is to be gone on with."""
    from londi.storage.runs import read_run

    if given.resume:
        folder = Path(given.resume)
        return read_run(folder, kind), folder
    if not given.out:
        raise LondiError("expected --out DIR for a new run, or --resume DIR")
    return _config_of(given, kind), Path(given.out)


def _train(given: Namespace) -> int:
    config, folder = _run_of(given, TrainConfig)
    return _train_run(config, folder, bool(given.resume), given.overwrite)


def _train_run(config: TrainConfig, folder: Path, resume: bool, overwrite: bool) -> int:
    from londi.learning.diagnostics import diagnose
    from londi.learning.statistics import read_progress
    from londi.learning.trainer import train

    with Interrupt() as interrupted, _Bar("training", config.steps) as bar:
        done = train(
            config,
            folder,
            resume=resume,
            overwrite=overwrite,
            on_progress=lambda p: bar.show(
                p.step,
                f"return {p.return_mean:.3f}  success {p.success_rate:.2f}"
                f"  call rate {p.call_rate:.2f}  {p.step / p.seconds:.0f} steps/s"
                f"  {p.lm_seconds / p.seconds:.0%} of the time in the models"
                + (
                    f"  {p.substituted_actions:.0%} of the actions substituted"
                    if p.substituted_actions
                    else ""
                )
                + (f"  {p.aborted} episodes lost" if p.aborted else ""),
            ),
            on_diagnosis=lambda signature: _warn(f"at {bar.shown} steps, {signature}"),
            should_stop=interrupted,
        )
    if not done:
        print(f"interrupted; go on with: londi train --resume {folder}", file=sys.stderr)
        return INTERRUPTED
    print(f"trained Switcher in {folder}")
    for signature in diagnose(config, read_progress(folder)):
        _warn(f"at the end of the training, {signature}")
    return 0


def _evaluate(given: Namespace) -> int:
    config = _config_of(given, EvaluateConfig)
    folders = [Path(run) for run in given.runs]
    if len(folders) > 1 and not given.out:
        raise LondiError("several runs: expected --out DIR for their figures together")
    together = Path(given.out) if given.out else folders[0]
    _evaluate_runs(folders, together, config, given.overwrite)
    return 0


def _evaluate_runs(
    folders: Sequence[Path], together: Path, config: EvaluateConfig, overwrite: bool
) -> None:
    from londi.evaluation.evaluate import (
        METHODS,
        RESULTS,
        evaluate,
        results,
        write_results,
        write_steps,
    )
    from londi.evaluation.tune import load_operating_point
    from londi.reports.plot import PLOT, plot
    from londi.storage.checkpoint import has_state
    from londi.storage.runs import make_folder, read_run
    from londi.switching.switcher import CHECKPOINT

    taken = [f for f in {*folders, together} if (f / RESULTS).exists()]
    if taken and not overwrite:
        raise OutputExists(f"{str(taken[0] / RESULTS)!r} exists; give --overwrite to replace it")
    trainings = [load_operating_point(read_run(folder, TrainConfig), folder) for folder in folders]
    for folder, training in zip(folders[1:], trainings[1:], strict=True):
        other, first = asdict(training), asdict(trainings[0])
        differing = [name for name in first if name != "seed" and other[name] != first[name]]
        if differing:
            name = differing[0]
            raise LondiError(
                "several runs: expected configurations that differ in their seed only, got"
                f" {name} = {first[name]!r} in {str(folders[0])!r} and {other[name]!r} in"
                f" {str(folder)!r}"
            )
    seeds = [training.seed for training in trainings]
    if len(set(seeds)) < len(seeds):
        raise LondiError(f"several runs: expected one a seed, got seeds {seeds}")
    for folder in folders:
        if not has_state(folder / CHECKPOINT):
            raise LondiError(f"no checkpoint in {str(folder)!r}; train it first")
    make_folder(together)
    evaluations = []
    for folder, training in zip(folders, trainings, strict=True):
        load = partial(_load_switcher, folder, config.greedy)
        with _Bar("evaluating", len(METHODS) * config.episodes) as bar:
            evaluation = evaluate(training, load, config, on_episode=bar.show)
        write_steps(folder, evaluation)
        if folder != together:
            write_results(folder, results([evaluation]))
        evaluations.append(evaluation)
    found = results(evaluations)
    write_results(together, found)
    plot(found, together / PLOT)
    shown = ", ".join(map(str, seeds))
    title = f"{_played(found[0])}, c = {found[0].cost:g}, training seed {shown}"
    _print_table(title, "method", [(r.method, r) for r in found])
    print(f"figures in {together / RESULTS}, picture in {together / PLOT}")


def _tune(given: Namespace) -> int:
    from londi.evaluation.tune import tune
    from londi.storage.runs import read_run

    config, folder = _config_of(given, TuneConfig), Path(given.run)
    training = read_run(folder, TrainConfig)
    with _Bar("tuning", config.points + 2) as bar:
        found = tune(training, folder, config, on_point=bar.show)
    low, high = found.cost_interval
    money = "" if found.money is None else f", money {found.money:.3g} an episode"
    print(
        f"{found.wanted}: c = {found.cost:.4g} (95% {low:.4g} .. {high:.4g}), budget"
        f" {found.budget}: return {found.return_mean:.3f}, call rate {found.call_rate:.3f},"
        f" {found.calls:.2f} calls an episode{money} on {found.episodes} validation episodes"
    )
    print(f"londi evaluate {folder} will play there")
    return 0


def _limit(given: Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from londi.oracle.clairvoyant import LIMIT, clairvoyant, write_limit
    from londi.storage.runs import create_run, is_free

    config, folder = _config_of(given, LimitConfig), Path(given.out)
    is_free(folder, LimitConfig, given.overwrite)
    with _Bar("looking", config.episodes) as bar:
        found = clairvoyant(config, on_states=bar.show)
    create_run(folder, config, given.overwrite)
    write_limit(folder, found)
    table = Table(title=f"{config.env}, the best of {_episodes(config.episodes)}")
    for column in ("calls at most", "return", "calls made", "call rate"):
        table.add_column(column, justify="right")
    for calls, point in enumerate(found.budgets):
        low, high = point.return_at_least, point.return_at_most
        span = f"{low:.3f}" if low == high else f"{low:.3f} .. {high:.3f}"
        table.add_row(str(calls), span, f"{point.calls:.2f}", f"{point.call_rate:.3f}")
    Console().print(table)
    cut = sum(not best.complete for best in found.episodes)
    if cut:
        of = "1 episode has" if cut == 1 else f"{cut} episodes have"
        print(f"{of} more states than were looked at")
    print(f"figures in {folder / LIMIT}")
    return 0


def _frontier(given: Namespace) -> int:
    from londi.evaluation.curves import FRONTIER
    from londi.evaluation.frontier import frontier

    config, folder = _run_of(given, FrontierConfig)
    with _Bar("playing", len(config.methods) + 1) as bar:
        found = frontier(
            config,
            folder,
            resume=bool(given.resume),
            overwrite=given.overwrite,
            on_played=bar.show,
        )
    _print_curves(found)
    print(f"figures in {folder / FRONTIER}; look at them with: londi report {folder}")
    return 0


def _report(given: Namespace) -> int:
    from londi.reports.html import PICTURE, TABLE, report

    folder = Path(given.folder)
    print(f"page in {report(folder)}, table in {folder / TABLE}, picture in {folder / PICTURE}")
    return 0


def _print_curves(found: Frontier) -> None:
    """Print what sums up each method's curve."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{found.env}, {found.episodes} held-out episodes, seeds {found.seeds}")
    table.add_column("method", overflow="fold")
    for column in ("APGR", "of the limit's", "behind londi", "CPT 50 / 80 / 95", "cost saved"):
        table.add_column(column, justify="right")
    for curve in found.curves:
        table.add_row(
            curve.method,
            _estimate(curve.apgr),
            _estimate(curve.of_limit),
            _estimate(curve.ahead),
            " / ".join(f"{rate:.2f}" for rate in curve.cpt),
            _estimate(curve.saved),
        )
    console = Console()
    console.width = max(console.width, 120)
    console.print(table)


def _estimate(figure: Estimate | None) -> str:
    return "-" if figure is None else f"{figure.value:.3f} ({figure.low:.3f} .. {figure.high:.3f})"


def _load_switcher(folder: Path, greedy: bool, pair: Pair) -> Switcher:
    from londi.switching.switcher import Switcher

    return Switcher.load(folder, pair.quick, pair.deepthink, greedy)


def _sweep(given: Namespace) -> int:
    from londi.evaluation.sweep import RESULTS, Ended, read_rows, sweep
    from londi.reports.plot import PLOT, plot_sweep

    config, folder = _run_of(given, SweepConfig)

    def tell(part: Ended) -> None:
        print(f"{part.done}/{part.total}  {part.name}: {part.figures}", flush=True)
        for warning in part.warnings:
            _warn(f"{part.name}: {warning}")

    with Interrupt() as interrupted:
        done = sweep(
            config,
            folder,
            resume=bool(given.resume),
            overwrite=given.overwrite,
            on_ended=tell,
            should_stop=interrupted,
        )
    rows = read_rows(folder)
    if rows:
        lines = [(row.name, row.result) for row in rows]
        _print_table(_played(rows[0].result), "run", lines)
        plot_sweep(lines, folder / PLOT)
        print(f"figures in {folder / RESULTS}, picture in {folder / PLOT}")
    if not done:
        print(f"interrupted; go on with: londi sweep --resume {folder}", file=sys.stderr)
        return INTERRUPTED
    return 0


def _demo(given: Namespace) -> int:
    folder = Path(given.out)
    config = replace(DEMO, seed=given.seed)
    code = _train_run(config, folder, resume=False, overwrite=given.overwrite)
    if code == 0:
        _evaluate_runs([folder], folder, DEMO_EVALUATION, given.overwrite)
    return code


def _finetune(given: Namespace) -> int:
    from londi.imitation.finetune import finetune

    config, folder = _run_of(given, FinetuneConfig)
    with Interrupt() as interrupted, _Bar("training", config.steps) as bar:
        figures = finetune(
            config,
            folder,
            resume=bool(given.resume),
            overwrite=given.overwrite,
            on_progress=lambda p: bar.show(
                p.step,
                f"round {p.round}  loss {p.loss:.4f}  {p.examples_per_second:.0f} examples/s"
                f"  success while gathering {p.success:.2f}",
            ),
            should_stop=interrupted,
        )
    if figures is None:
        print(f"interrupted; go on with: londi finetune --resume {folder}", file=sys.stderr)
        return INTERRUPTED
    print(f"model in {folder / 'model'}: " + ", ".join(f"{k} {v}" for k, v in figures.items()))
    return 0


def _envs(given: Namespace) -> int:
    from londi.envs.registry import environment_names

    print("\n".join(environment_names()))
    return 0


def _models(given: Namespace) -> int:
    from londi.models.registry import builtin_models

    for name, text in (
        *((name, "ships with londi") for name in builtin_models()),
        ("random", "any possible action, each as likely"),
        ("expert", "the environment's own expert, where it has one"),
        ("<path or hub name>", "any Hugging Face model, seq2seq or causal, in safetensors"),
    ):
        print(f"{name:<32}{text}")
    return 0


class _Bar:
    """A live bar on a terminal; plain lines, now and then, elsewhere."""

    def __init__(self, what: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._live = self._console.is_terminal
        self._what, self._total, self.shown, self._printed = what, total, 0, 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}  {task.fields[text]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._live,
        )

    def __enter__(self) -> _Bar:
        self._bar.start()
        self._task = self._bar.add_task(self._what, total=self._total, text="starting")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, done: int, text: str) -> None:
        """Move to `done`, and say `text`."""
        self.shown = done
        self._bar.update(self._task, completed=done, text=text)
        # A log wants a score of lines, not one for every tick.
        if not self._live and (done - self._printed >= self._total / 20 or done >= self._total):
            self._printed = done
            print(f"{self._what} {done}/{self._total}  {text}", file=sys.stderr, flush=True)


def _print_table(title: str, head: str, lines: Sequence[tuple[str, Result]]) -> None:
    """Print the figures of each line under its name; `head` says what the names are."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    table.add_column(head, overflow="fold")
    capped = any(r.budget is not None for _, r in lines)
    powered = any(r.joules for _, r in lines)
    heads = ["return", "95% interval", "success", "call rate", "LM ms/episode", "cost saved", "PGR"]
    for column in heads + ["over budget", "calls over"] * capped + ["J/episode"] * powered:
        table.add_column(column, justify="right")
    for name, r in lines:
        cells = [
            f"{r.return_mean:.3f}",
            f"{r.return_ci[0]:.3f} .. {r.return_ci[1]:.3f}",
            f"{r.success_rate:.3f}",
            f"{r.call_rate:.3f}",
            f"{1000 * r.lm_seconds:.1f}",
            f"{r.cost_saved:.0%}",
            "-" if r.pgr is None else f"{r.pgr:.2f}",
        ]
        over = ["-", "-"] if r.budget is None else [f"{r.exceeded:.1%}", f"{r.overspent:.2f}"]
        table.add_row(name, *cells, *over * capped, *[f"{r.joules:.1f}"] * powered)
    # Wide enough for a line a method, also where the output is a file.
    console = Console()
    console.width = max(console.width, 150 if capped else 120)
    console.print(table)
    for name, r in lines:
        if r.substituted_actions or r.aborted:
            print(
                f"{name}: {r.substituted_actions:.1%} of the actions were unknown and replaced by the closest"
                f" valid ones; {r.aborted} of {r.episodes * len(r.seed)} episodes lost"
            )


def _played(result: Result) -> str:
    """What a table is about."""
    return f"{result.env}, {_episodes(result.episodes)}"


def _episodes(number: int) -> str:
    return f"{number} held-out episode{'' if number == 1 else 's'}"

"""`londi traces`: files of conversations into traces, traces into such files, and their figures."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from londi.cli.verb import Verb
from londi.errors import InvalidConfig, LondiError, UnknownName
from londi.storage.paths import as_path

ACTIONS = ("import", "export", "show")
FORMATS = ("atif", "minari", "openai", "otel", "parquet")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", type=str, metavar="ACTION", help=f"{', '.join(ACTIONS)}.")
    parser.add_argument(
        "file", type=str, metavar="FILE", help="What is read; all but `import` read traces."
    )
    parser.add_argument(
        "--format",
        type=str,
        default="",
        metavar="FORMAT",
        help="Format of the other side: atif (v1.0 to 1.7), openai (a line a conversation, with"
        " messages and a reward), otel (spans of OTLP in JSON), minari (a folder of logged steps,"
        " for other libraries of offline learning); export also takes parquet.",
    )
    parser.add_argument(
        "--out", type=str, default="", metavar="PATH", help="What import and export write."
    )
    parser.add_argument(
        "--quick", type=str, default="", metavar="MODEL", help="Model of an import that is QUICK."
    )
    parser.add_argument(
        "--deepthink", type=str, default="", metavar="MODEL", help="The one that is DEEPTHINK."
    )
    parser.add_argument(
        "--model",
        type=str,
        default="",
        metavar="MODEL",
        help="Model of the answers of an import for which the file tells none.",
    )
    parser.add_argument(
        "--session", type=str, default="", metavar="NAME", help="The session that show shows."
    )
    parser.add_argument("--overwrite", action="store_true", help="Replace --out if it exists.")


def _run(given: Namespace) -> int:
    if given.action not in ACTIONS:
        raise UnknownName("action", given.action, ACTIONS)
    file = as_path(given.file)
    if given.action == "show":
        return _show(file, given.session)
    formats = FORMATS if given.action == "export" else FORMATS[:-1]
    if not given.format:
        raise InvalidConfig(f"--format: expected one of {', '.join(formats)}")
    if given.format not in formats:
        raise UnknownName("format", given.format, formats)
    if not given.out:
        raise InvalidConfig("--out: expected the name of what is written")
    out = as_path(given.out)
    return (_import if given.action == "import" else _export)(given, file, out)


def _import(given: Namespace, file: Path, out: Path) -> int:
    if bool(given.quick) != bool(given.deepthink):
        raise InvalidConfig("--quick: expected --deepthink as well, or neither")
    candidates = (given.quick, given.deepthink) if given.quick else ()
    if given.format == "minari":
        from londi.serve.minari import import_minari

        steps = import_minari(file, out, candidates=candidates, overwrite=given.overwrite)
        print(f"{out}: {steps.sessions:,} sessions, {steps.steps:,} steps")
        return 0
    from londi.serve.transcripts.formats import import_traces

    made = import_traces(
        file,
        given.format,
        out,
        model=given.model,
        candidates=candidates,
        overwrite=given.overwrite,
    )
    print(
        f"{out}: {made.sessions:,} sessions, {made.steps:,} steps, feedback for"
        f" {made.rewards:,} sessions"
    )
    return 0


def _export(given: Namespace, file: Path, out: Path) -> int:
    if given.format == "parquet":
        from londi.serve.transcripts.parquet import export_parquet

        print(f"{out}: {export_parquet(file, out, given.overwrite):,} steps")
        return 0
    if given.format == "minari":
        from londi.serve.minari import export_minari

        made = export_minari(file, out, given.overwrite)
        rest = f"; {made.left_out:,} sessions cannot be learned from" if made.left_out else ""
        print(f"{out}: {made.sessions:,} sessions, {made.steps:,} steps{rest}")
        return 0
    from londi.serve.transcripts.formats import export_traces

    count = export_traces(file, given.format, out, given.overwrite)
    print(f"{out}: {count:,} sessions")
    return 0


def _show(file: Path, session: str) -> int:
    from londi.cli.arms import print_arms
    from londi.cli.display import print_steps, print_summary
    from londi.serve.transcripts.arms import against_control, by_arm, sessions_of
    from londi.serve.transcripts.summary import summarize
    from londi.storage.traces import read_traces

    steps, feedback = list(read_traces(file, "steps")), list(read_traces(file, "feedback"))
    if not session:
        print_summary(str(file), summarize(steps, feedback))
        served = sessions_of(steps, feedback)
        if len(arms := by_arm(served)) > 1:
            print_arms(arms, against_control(served, read_traces(file, "rollouts")))
        return 0
    found = [row for row in steps if row["session"] == session]
    if not found:
        names = {row["session"] for row in steps}
        raise (
            UnknownName("session", session, names)
            if names
            else LondiError(f"{str(file)!r} has no steps")
        )
    print_steps(session, found, [row for row in feedback if row["session"] == session])
    return 0


VERB = Verb(
    name="traces",
    description="Import, export or show the traces of real traffic.",
    add_arguments=_arguments,
    run=_run,
    usage="ACTION FILE [OPTION ...]",
    examples=(
        "londi traces show traces.db",
        "londi traces show traces.db --session mine",
        "londi traces import log.jsonl --format openai --out traces.db",
        "londi traces export traces.db --format atif --out trajectories.jsonl",
        "londi traces export traces.db --format parquet --out traces",
        "londi traces export traces.db --format minari --out traces-v0",
        "londi traces import traces-v0 --format minari --out again.db",
    ),
)

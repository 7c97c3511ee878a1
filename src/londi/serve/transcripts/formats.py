"""Files of conversations into traces, and traces into such files, by the name of a format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from londi.errors import DamagedFile
from londi.serve.transcripts import atif, openai, otel
from londi.serve.transcripts.conversation import Conversation, Json
from londi.serve.transcripts.records import read_records
from londi.serve.transcripts.store import read_conversations, to_rows
from londi.storage.atomic import check_free, write_whole
from londi.storage.traces import write_traces


@dataclass(frozen=True, slots=True)
class Format:
    """A format of files of conversations.

    Attributes:
        read: the conversations of objects, each of which comes with the place where it stands.
        write: objects of conversations.
    """

    read: Callable[[Iterable[tuple[str, Json]]], Iterator[Conversation]]
    write: Callable[[Iterable[Conversation]], Iterator[Json]]


FORMATS = {module.NAME: Format(module.read, module.write) for module in (atif, openai, otel)}


@dataclass(frozen=True, slots=True)
class Imported:
    """Numbers of an import: conversations, their steps, and those with feedback."""

    sessions: int
    steps: int
    rewards: int


def import_traces(
    file: Path,
    name: str,
    out: Path,
    *,
    model: str = "",
    candidates: Sequence[str] = (),
    overwrite: bool = False,
) -> Imported:
    """Write the conversations of a file into a new file of traces, all or nothing.

    Args:
        file: what is read; packed with gzip or not.
        name: its format, of `FORMATS`.
        out: what is written.
        model: name of the model of answers for which the file tells none.
        candidates: names of QUICK and DEEPTHINK; an answer of either has a choice.
        overwrite: replace `out` if it is there.

    Raises:
        LondiError: if `file` cannot be read.
        OutputExists: if `out` exists and may not be replaced.
        DamagedFile: if `file` is of another format, or two conversations have one name.
    """
    check_free(out, overwrite)
    found = list(FORMATS[name].read(read_records(file)))
    named: set[str] = set()
    for one in found:
        if one.session in named:
            raise DamagedFile(f"{str(file)!r}: two conversations have the name {one.session!r}")
        named.add(one.session)
        for turn in one.turns:
            turn.model = turn.model or model
    write_traces(out, (row for one in found for row in to_rows(one, name, candidates)))
    steps = sum(len(one.turns) for one in found)
    return Imported(len(found), steps, sum(bool(one.values) for one in found))


def export_traces(traces: Path, name: str, out: Path, overwrite: bool = False) -> int:
    """Write the conversations of traces into a file, an object a line; all or nothing.

    Args:
        traces: what is read.
        name: format of `FORMATS`.
        out: what is written.
        overwrite: replace `out` if it is there.

    Returns:
        The number of conversations.

    Raises:
        LondiError: if `traces` cannot be read.
        OutputExists: if `out` exists and may not be replaced.
    """
    check_free(out, overwrite)
    found = list(read_conversations(traces))
    records = FORMATS[name].write(found)
    write_whole(out, (json.dumps(record) + "\n" for record in records))
    return len(found)

"""Traces as files of Parquet, a file a table, for DuckDB, pandas and the like.

The columns are those of the traces. This file knows DuckDB, which writes the files.
"""

from __future__ import annotations

from pathlib import Path

from londi.storage.atomic import check_free, replacing_folder
from londi.storage.trace_tables import TABLES, Kind
from londi.storage.traces import read_traces

NAME = "parquet"
_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "real": "DOUBLE",
    "blob": "BLOB",
}
_TOGETHER = 1000


def export_parquet(traces: Path, out: Path, overwrite: bool = False) -> int:
    """Write the tables of traces into a folder, `NAME.parquet` each; all or nothing.

    Args:
        traces: what is read.
        out: the folder.
        overwrite: replace `out` if it is there.

    Returns:
        The number of steps.

    Raises:
        LondiError: if `traces` cannot be read.
        OutputExists: if `out` exists and may not be replaced.
    """
    import duckdb

    check_free(out, overwrite)
    rows = {table: list(read_traces(traces, table)) for table in TABLES}
    with replacing_folder(out) as part, duckdb.connect() as db:
        for table, columns in TABLES.items():
            typed = ", ".join(f"{column.name} {_TYPES[column.kind]}" for column in columns)
            db.execute(f"CREATE TABLE {table} ({typed})")
            marks = ", ".join("?" * len(columns))
            values = [list(row.values()) for row in rows[table]]
            for k in range(0, len(values), _TOGETHER):
                db.executemany(f"INSERT INTO {table} VALUES ({marks})", values[k : k + _TOGETHER])
            file = str(part / f"{table}.parquet").replace("'", "''")
            db.execute(f"COPY {table} TO '{file}' (FORMAT parquet)")
    return len(rows["steps"])

"""The examples of frameworks, run as their users run them, against local models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import londi
from londi.storage.traces import read_traces

EXAMPLES = Path(__file__).parent.parent / "examples"
QUESTION = "What is the weather in Paris?"
QUICK, DEEPTHINK = "caller-small", "caller-large"


class Ran:
    """A run of an example.

    Args:
        host: folder of the example.
        folder: where it runs.
        url: address of its models.
        options: of its command line.
        changes: of its settings; by default DEEPTHINK answers each step.

    Attributes:
        code: its exit code.
        out, err: what it printed.
        steps: its traces.
    """

    def __init__(self, host: str, folder: Path, url: str, *options: str, **changes: Any) -> None:
        traces, file = folder / "traces.db", folder / "switcher.yaml"
        settings = {
            "quick": {"model": QUICK, "price": {"input": 0.25, "output": 2.0}},
            "deepthink": {"model": DEEPTHINK, "price": {"input": 1.25, "output": 10.0}},
            "switcher": "always-deepthink",
            "in_tool_loops": True,
            "traces": str(traces),
        }
        file.write_text(json.dumps(settings | changes))
        command = [sys.executable, str(EXAMPLES / host / "run.py"), QUESTION]
        source = str(Path(londi.__file__).parent.parent)
        own = {"HOME": str(folder), "OPENAI_API_KEY": "none", "PYTHONPATH": source}
        own["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network when it is imported
        ran = subprocess.run(
            [*command, "--switcher", str(file), "--base-url", url, *options],
            cwd=folder,
            env=os.environ | own,
            capture_output=True,
            text=True,
        )
        self.code, self.out, self.err = ran.returncode, ran.stdout, ran.stderr
        self.steps = list(read_traces(traces, "steps")) if traces.exists() else []

    def column(self, name: str) -> list[Any]:
        """One column of the traces."""
        return [step[name] for step in self.steps]

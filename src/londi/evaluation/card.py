"""The model card of a published Switcher: what it decides between, and how it did.

This file knows figures and the form of a card. It does not know where the card goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from londi.config import TrainConfig
from londi.config.base import is_spec
from londi.evaluation.results import Result
from londi.switching.exported import ExportedSwitcher

_TEXT = """---
{metadata}---

# {title}

A Switcher of [londi](https://arxiv.org/abs/2402.12061): at each step of an episode it decides which
of two language models acts, the small one (QUICK) or the large one (DEEPTHINK). It holds no weights
of either model.

| | |
|---|---|
| environment | `{env}` |
| QUICK | `{quick}` |
| DEEPTHINK | `{deepthink}` |
| features that it reads | encoder `{encoder}` |
| cost of a DEEPTHINK call (c) | {cost} |
| budget of calls in an episode | {budget} |
| algorithm, training seed | {algorithm}, {seed} |

{figures}## Use

```bash
londi pull OWNER/NAME --out switcher
londi evaluate switcher
```

or, without torch, its one file: `londi.Switcher.load("switcher/switcher.onnx")`, or
`switcher: switcher/switcher.onnx` in the settings of `londi serve`.

## Limits

The Switcher was trained for the environment and the two models above; models with other weights or
settings are refused. On levels unlike those of its training its choices may be no better than a
coin's at the same rate.

All files are safetensors, ONNX, JSON and YAML; `londi.json` has their digests.
"""


def model_card(
    training: TrainConfig, made: ExportedSwitcher, results: Sequence[Result] = ()
) -> str:
    """The text of README.md, with the metadata that the Hub reads.

    Args:
        training: the settings of the training.
        made: what the exported file says of the Switcher.
        results: the figures of an evaluation; none where it was not evaluated.
    """
    budget = "none" if made.budget is None else str(made.budget)
    cost = f"{made.cost:g}"
    if made.cost_range and made.most_budget is not None:
        low, high = made.cost_range
        cost += f"; any from {low:g} to {high:g}"
        budget += f"; any up to {made.most_budget}, or none"
    return _TEXT.format(
        metadata=yaml.safe_dump(_metadata(made, results), sort_keys=False, allow_unicode=True),
        title=f"Switcher for {made.env}",
        env=made.env,
        quick=made.quick.name,
        deepthink=made.deepthink.name,
        encoder=made.encoder,
        cost=cost,
        budget=budget,
        algorithm=training.algorithm or ("universal" if training.universal else "sac"),
        seed=training.seed,
        figures=_figures(results),
    )


def _metadata(made: ExportedSwitcher, results: Sequence[Result]) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "library_name": "londi",
        "pipeline_tag": "reinforcement-learning",
        "tags": ["londi", "model-routing", "reinforcement-learning", "onnx"],
    }
    if models := [name for name in (made.quick.name, made.deepthink.name) if _on_the_hub(name)]:
        metadata["base_model"] = models
    if own := [result for result in results if result.method == "londi"]:
        values = {
            "return": own[0].return_mean,
            "success rate": own[0].success_rate,
            "call rate": own[0].call_rate,
            "share of DEEPTHINK's calls saved": own[0].cost_saved,
        }
        metrics = [{"type": name, "value": round(value, 4)} for name, value in values.items()]
        task = {"type": "reinforcement-learning"}
        dataset = {"name": own[0].env, "type": own[0].env}
        played = {"task": task, "dataset": dataset, "metrics": metrics}
        metadata["model-index"] = [{"name": f"Switcher for {made.env}", "results": [played]}]
    return metadata


def _figures(results: Sequence[Result]) -> str:
    if not results:
        return "It has not been evaluated before it was published.\n\n"
    heads = ["method", "return", "95% interval", "success", "call rate", "calls saved", "PGR"]
    rows = [heads, ["---"] * len(heads)]
    for r in results:
        low, high = r.return_ci
        pgr = "-" if r.pgr is None else f"{r.pgr:.2f}"
        amounts = [f"{r.success_rate:.3f}", f"{r.call_rate:.3f}", f"{r.cost_saved:.0%}", pgr]
        rows.append([r.method, f"{r.return_mean:.3f}", f"{low:.3f} .. {high:.3f}", *amounts])
    first = results[0]
    budget = "none" if first.budget is None else first.budget
    played = (
        f"{first.episodes} held-out episodes of `{first.env}`, c = {first.cost:g}, budget {budget}"
    )
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        f"## Figures\n\n{played}:\n\n{table}\n\n`random` calls DEEPTHINK by chance, as often as the"
        " Switcher; `threshold` calls it where QUICK is unsure. PGR is the share of the gap between"
        " QUICK's and\nDEEPTHINK's return that is recovered.\n\n"
    )


def _on_the_hub(name: str) -> bool:
    """Whether a model's name is that of a repository, and not a path or a name of londi's."""
    owner, slash, rest = name.partition("/")
    return bool(owner and slash and rest and "/" not in rest) and not (
        ":" in name or is_spec(name) or owner[0] in ".~"
    )

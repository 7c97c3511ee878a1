"""Settings of `londi finetune`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from londi.config.base import BABYAI_MIX, INF, MOST_ENVS, MOST_EPISODES, Settings, check
from londi.errors import InvalidConfig
from londi.types import Values


@dataclass(frozen=True)
class FinetuneConfig(Settings):
    """Train a language model to act in an environment, by imitating the environment's expert."""

    env: str = BABYAI_MIX
    """Environment whose expert is imitated, by its Gymnasium name or `module:name`."""
    env_options: Values = field(default_factory=dict)
    """Options of the environment."""
    base: str = ""
    """Hugging Face model to start from, by name or path, `builtin:<name>`, `gguf:<file>` or
    `smollm2`; empty for a new T5."""
    seed: int = 0
    """Seed for weights, episodes and batches, from 0 to 48."""
    history: int = 3
    """Number of past observations kept in a prompt."""
    max_tokens: int = 1024
    """Largest number of tokens in a prompt; a longer prompt loses its oldest observations."""
    d_model: int = 128
    """Width of a new model; a multiple of `heads`."""
    d_ff: int = 512
    """Width of a new model's feed-forward layers."""
    heads: int = 4
    """Number of attention heads of a new model."""
    layers: int = 4
    """Number of encoder layers of a new model."""
    decoder_layers: int = 1
    """Number of decoder layers of a new model."""
    dropout: float = 0.0
    """Dropout of a new model."""
    vocabulary: int = 4096
    """Largest number of tokens in a new model's tokenizer."""
    phrases: tuple[str, ...] = (
        r"Possible action of the agent: [^\n]*? \n Goal of the agent: ",
        r" \n Observation \d: ",
        r", \n Action \d: ",
        r"(?:, )?You (?:see|carry) a (?:wall|(?:(?:open|closed|locked) )?\w+ (?:ball|box|key|door))"
        r"(?: \d+ steps? (?:forward|left|right)(?: and \d+ steps? forward)?)?",
        r" (?:the|a) (?:\w+ )?(?:ball|box|key|door)",
        r"turn left|turn right|go forward|pick up",
    )
    """Regular expressions of phrases that a new tokenizer may turn into single tokens."""
    tokenizer_episodes: int = 4000
    """Number of episodes from which a new tokenizer is learned."""
    episodes: int = 20_000
    """Number of the expert's episodes in the first round."""
    noise: tuple[float, ...] = (0.0, 0.1, 0.3)
    """Probabilities of a random action in the expert's episodes; each episode draws one of them."""
    demonstrations: str = ""
    """Folder of an earlier `londi finetune` run whose expert episodes are used again, instead of
    recording new ones."""
    exchanges: tuple[tuple[str, ...], ...] = ()
    """Groups of words that may stand for one another, such as `[carrot, banana]`, and
    `[slice/sliced, dice/diced]` where a word has several forms; `[north/south, south/north]` where
    two words change places. See `copies`."""
    copies: int = 0
    """Number of copies of each recorded episode in which the words of `exchanges` are exchanged at
    random, so that a model cannot learn a few worlds by heart."""
    rounds: int = 3
    """Number of further rounds, in which the model plays and the expert labels (DAgger); at most
    9."""
    round_episodes: int = 5_000
    """Number of episodes in each further round."""
    round_expert_share: float = 0.2
    """Share of steps in a further round at which the expert acts, so that an episode in which the
    model is stuck does not repeat one state."""
    steps: int = 40_000
    """Number of gradient steps, divided equally among the rounds."""
    batch_size: int = 64
    """Number of examples in a gradient step."""
    optimizer: Literal["adamw", "muon"] = "muon"
    """Optimizer; `muon` uses Muon for the matrices of hidden layers and AdamW for the rest."""
    arithmetic: Literal["float32", "bfloat16"] = "bfloat16"
    """Number format of the forward pass in training; weights stay in float32."""
    learning_rate: float = 2e-3
    """Peak learning rate; it falls linearly to zero."""
    warmup: int = 200
    """Number of gradient steps over which the learning rate rises."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    evaluation_episodes: int = 500
    """Number of held-out episodes for the figures in the model card."""
    num_envs: int = 64
    """Number of environments that the model plays in parallel; each ScienceWorld environment is a
    Java process."""
    save_dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the saved weights."""
    device: str = "cpu"
    """Device of the training, such as cpu or cuda."""
    threads: int = 0
    """CPU threads of the training; 0 leaves the choice to torch."""
    workers: int = 2
    """Number of processes that record the expert's episodes."""
    round_workers: int = 1
    """Number of workers that share the episodes of a further round and its `num_envs` environments,
    each with a model of its own; on this machine they take turns, with `--ray` they play at the
    same time. Another number is another order of episodes."""
    report_every: int = 100
    """Gradient steps between two lines of progress."""
    save_every: int = 500
    """Gradient steps between two checkpoints."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # The seeds of demonstrations are laid out for these (`londi.envs.seeds`).
        check(self, seed=(0, 48), rounds=(0, 9))
        check(self, episodes=(1, MOST_EPISODES), round_episodes=(1, MOST_EPISODES))
        check(self, tokenizer_episodes=(1, MOST_EPISODES), evaluation_episodes=(1, MOST_EPISODES))
        check(self, d_model=(1, 65_536), d_ff=(1, 1_048_576), heads=(1, 1024), layers=(1, 1024))
        check(self, decoder_layers=(1, 1024), vocabulary=(1, 10_000_000), history=(1, 1000))
        check(self, num_envs=(1, MOST_ENVS), workers=(1, 1024), threads=(0, 1024))
        check(self, round_workers=(1, self.num_envs))
        for name in ("max_tokens", "steps", "batch_size", "warmup", "report_every", "save_every"):
            check(self, **{name: (1, INF)})
        check(self, learning_rate=(0, INF), weight_decay=(0, INF))
        check(self, dropout=(0, 1), round_expert_share=(0, 1))
        if self.d_model % self.heads:
            raise InvalidConfig(
                f"heads: expected a number that divides d_model = {self.d_model}, got {self.heads}"
            )
        if not self.noise or not all(0 <= chance <= 1 for chance in self.noise):
            raise InvalidConfig(f"noise: expected chances from 0 to 1, got {list(self.noise)}")
        self._check_exchanges()
        for phrase in self.phrases:
            try:
                re.compile(phrase)
            except (re.error, RecursionError, OverflowError) as error:
                raise InvalidConfig(
                    f"phrases: expected regular expressions, got {phrase!r}: {error}"
                ) from error

    def _check_exchanges(self) -> None:
        """Check that the words of each group can stand for one another."""
        check(self, copies=(0, 1000))
        if self.copies and not self.exchanges:
            raise InvalidConfig("copies: expected exchanges beside it, got none")
        known: set[str] = set()
        for group in self.exchanges:
            rows = [word.split("/") for word in group]
            if not rows or len({len(row) for row in rows}) > 1:
                raise InvalidConfig(
                    f"exchanges: expected words with equally many forms, got {list(group)}"
                )
            for form in (form for row in exchanged_rows(rows) for form in row):
                if not form.strip() or form in known:
                    raise InvalidConfig(f"exchanges: expected each word once, got {form!r}")
                known.add(form)


def exchanged_rows(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """The words of a group, by their forms, that others stand for.

    Where all have the same forms they change places, and the first one says which forms there are.
    """
    return rows[:1] if all(sorted(row) == sorted(rows[0]) for row in rows) else rows

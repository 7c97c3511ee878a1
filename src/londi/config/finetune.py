"""Settings of `londi finetune`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from londi.config.base import BABYAI_MIX, INF, check
from londi.errors import InvalidConfig


@dataclass(frozen=True)
class FinetuneConfig:
    """Train a language model to act, by imitation of an environment's expert."""

    env: str = BABYAI_MIX
    """Environment whose expert is imitated."""
    env_options: dict[str, Any] = field(default_factory=dict)
    """Options of the environment."""
    base: str = ""
    """Hugging Face model to start from, by name or path; empty: a new T5."""
    seed: int = 0
    """Seed of weights, episodes and batches."""
    history: int = 3
    """Observations kept in a prompt."""
    max_tokens: int = 1024
    """Most tokens of a prompt; of a longer one the oldest observations are dropped."""
    d_model: int = 128
    """Width of a new model."""
    d_ff: int = 512
    """Width of a new model's feed-forward layers."""
    heads: int = 4
    """Attention heads of a new model."""
    layers: int = 4
    """Encoder layers of a new model."""
    decoder_layers: int = 1
    """Decoder layers of a new model."""
    dropout: float = 0.0
    """Dropout of a new model."""
    vocabulary: int = 4096
    """Most tokens of a new model's tokenizer."""
    phrases: tuple[str, ...] = (
        r"Possible action of the agent: [^\n]*? \n Goal of the agent: ",
        r" \n Observation \d: ",
        r", \n Action \d: ",
        r"(?:, )?You (?:see|carry) a (?:wall|(?:(?:open|closed|locked) )?\w+ (?:ball|box|key|door))"
        r"(?: \d+ steps? (?:forward|left|right)(?: and \d+ steps? forward)?)?",
        r" (?:the|a) (?:\w+ )?(?:ball|box|key|door)",
        r"turn left|turn right|go forward|pick up",
    )
    """Regular expressions of the phrases that a new tokenizer may make one token."""
    tokenizer_episodes: int = 4000
    """Episodes that a new tokenizer is learned from."""
    episodes: int = 20_000
    """Episodes of the expert in the first round."""
    noise: tuple[float, ...] = (0.0, 0.1, 0.3)
    """Chances of a random action in the expert's episodes; each draws one."""
    demonstrations: str = ""
    """Folder of another run of `londi finetune` whose episodes of the expert are learned from,
    instead of recording the same again."""
    rounds: int = 3
    """Further rounds, played by the model and labelled by the expert (DAgger)."""
    round_episodes: int = 5_000
    """Episodes of each further round."""
    round_expert_share: float = 0.2
    """Share of the steps of a further round at which the expert acts, so that no episode in
    which the model is stuck fills up with one state."""
    steps: int = 40_000
    """Gradient steps in all, shared equally by the rounds."""
    batch_size: int = 64
    """Examples in a gradient step."""
    optimizer: Literal["adamw", "muon"] = "muon"
    """`muon` trains the matrices between layers by Muon and the rest by AdamW."""
    arithmetic: Literal["float32", "bfloat16"] = "bfloat16"
    """Number format of the forward pass in training; weights stay float32."""
    learning_rate: float = 2e-3
    """Peak learning rate; it falls linearly to zero."""
    warmup: int = 200
    """Steps over which the learning rate rises."""
    weight_decay: float = 0.01
    """AdamW's weight decay."""
    evaluation_episodes: int = 500
    """Held-out episodes for the figures of the model card."""
    num_envs: int = 64
    """Environments that the model plays side by side; each of ScienceWorld is a Java process."""
    save_dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the saved weights."""
    device: str = "cpu"
    """Where to train, such as cpu or cuda."""
    threads: int = 0
    """CPU threads of the training; 0 leaves the default."""
    workers: int = 2
    """Processes that record the expert's episodes."""
    report_every: int = 100
    """Steps between two lines of progress."""
    save_every: int = 500
    """Steps between two checkpoints."""

    def __post_init__(self) -> None:
        # The seeds of demonstrations are laid out for these (`londi.envs.seeds`).
        check(self, seed=(0, 48), rounds=(0, 9))
        check(self, episodes=(1, 1_000_000), round_episodes=(1, 1_000_000))
        for name in (
            "history",
            "max_tokens",
            "d_model",
            "d_ff",
            "heads",
            "layers",
            "decoder_layers",
            "vocabulary",
            "tokenizer_episodes",
            "steps",
            "batch_size",
            "warmup",
            "evaluation_episodes",
            "num_envs",
            "workers",
            "report_every",
            "save_every",
        ):
            check(self, **{name: (1, INF)})
        check(self, threads=(0, INF), learning_rate=(0, INF), weight_decay=(0, INF))
        check(self, dropout=(0, 1), round_expert_share=(0, 1))
        if not self.noise or not all(0 <= chance <= 1 for chance in self.noise):
            raise InvalidConfig(f"noise: expected chances from 0 to 1, got {list(self.noise)}")

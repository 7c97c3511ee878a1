"""The settings of every verb, as frozen dataclasses.

A field's docstring is its documentation, its `--help` text and its name in `config.yaml`.
This file knows no environment, no model and no training.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FinetuneConfig:
    """Train a seq2seq language model to act, by imitation of an environment's expert."""

    env: str = "londi/BabyAIText-MixedTrainLocal-v0"
    """Environment whose expert is imitated."""
    base: str = ""
    """Hugging Face seq2seq model to start from, by name or path; empty: a new T5."""
    seed: int = 0
    """Seed of weights, episodes and batches."""
    history: int = 3
    """Observations kept in a prompt."""
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
    vocabulary: int = 1024
    """Most tokens of a new model's tokenizer."""
    phrases: tuple[str, ...] = (
        r"Possible action of the agent: [^\n]*? \n Goal of the agent: ",
        r" \n Observation \d: ",
        r", \n Action \d: ",
        r"(?:, )?You (?:see|carry) a(?: (?:wall|red|green|blue|purple|yellow|grey)\b)?",
        r" \d+ steps? (?:forward|left|right)(?: and \d+ steps? forward)?",
        r"turn left|turn right|go forward|pick up",
    )
    """Regular expressions of the phrases that a new tokenizer may make one token."""
    tokenizer_episodes: int = 1000
    """Episodes that a new tokenizer is learned from."""
    episodes: int = 20_000
    """Episodes of the expert in the first round."""
    noise: tuple[float, ...] = (0.0, 0.1, 0.3)
    """Chances of a random action in the expert's episodes; each draws one."""
    rounds: int = 3
    """Further rounds, played by the model and labelled by the expert (DAgger)."""
    round_episodes: int = 5_000
    """Episodes of each further round."""
    steps: int = 12_000
    """Gradient steps in all, shared equally by the rounds."""
    batch_size: int = 64
    """Examples in a gradient step."""
    learning_rate: float = 1e-3
    """Peak learning rate; it falls linearly to zero."""
    warmup: int = 200
    """Steps over which the learning rate rises."""
    weight_decay: float = 0.01
    """AdamW's weight decay."""
    evaluation_episodes: int = 500
    """Held-out episodes for the figures of the model card."""
    save_dtype: str = "float32"
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

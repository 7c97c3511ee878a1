"""The settings of every verb, as frozen dataclasses.

A field's docstring is its documentation, its `--help` text and its name in `config.yaml`.
This file knows no environment, no model and no training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from londi.errors import InvalidConfig, UnknownName

BABYAI_MIX = "londi/BabyAIText-MixedTrainLocal-v0"


def check(config: Any, **ranges: tuple[float, float]) -> None:
    """Raise InvalidConfig unless each named field of `config` is a number in its closed range."""
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        if not (isfinite(value) and low <= value <= high):
            wanted = f">= {low:,}" if high == float("inf") else f"from {low:,} to {high:,}"
            kind = "a whole number" if isinstance(value, int) else "a number"
            raise InvalidConfig(f"{name}: expected {kind} {wanted}, got {value!r}")


def check_budget(budget: object) -> None:
    """Raise InvalidConfig unless it is a whole number of calls, or "none"."""
    if budget != "none" and not (type(budget) is int and budget >= 0):
        raise InvalidConfig(f"budget: expected a whole number >= 0 or none, got {budget!r}")


INF = float("inf")


@dataclass(frozen=True)
class PairConfig:
    """Which environment, which two language models, and how they are run."""

    env: str = BABYAI_MIX
    """Text environment by its Gymnasium name; `londi envs` lists londi's own."""
    env_options: dict[str, Any] = field(default_factory=dict)
    """Options of the environment, such as `{limit: 50}` or, for ScienceWorld,
    `{tasks: [boil, melt], simplifications: easy}`."""
    quick: str = "builtin:babyai-quick"
    """QUICK: `random`, `expert`, `builtin:<name>`, or a Hugging Face model by name or
    path; `londi models` lists what ships."""
    deepthink: str = "builtin:babyai-deepthink"
    """DEEPTHINK, named in the same way."""
    choose: Literal["score", "generate"] = "score"
    """How a language model names an action: by scoring the possible ones, or by generating."""
    device: str = "cpu"
    """Where the language models run, such as cpu, cuda or cuda:1; `auto` spreads them over the GPUs
    that there are (`pip install 'londi[gpu]'`)."""
    dtype: Literal["float32", "bfloat16", "float16", "int8"] = "float32"
    """Number format of the language models' weights and arithmetic; `int8` rounds the weights of
    linear layers, and what they are given, on a CPU only."""
    deepthink_dtype: Literal["same", "float32", "bfloat16", "float16", "int8"] = "same"
    """DEEPTHINK's own number format; `same` is that of `dtype`."""
    threads: int = 1
    """CPU threads of the models, and again of the Switcher's training, which goes on while they
    answer; 0 leaves torch's choice. For models as small as the built-in ones one is quickest."""
    lm_batch_size: int = 64
    """Most prompts in one forward pass of a language model."""
    cache: str = "~/.cache/londi/answers.sqlite"
    """File of language-model answers, shared by all runs; `memory` keeps them for this run only,
    and `none` asks the models every time."""

    def __post_init__(self) -> None:
        check(self, threads=(0, INF), lm_batch_size=(1, INF))


@dataclass(frozen=True)
class TrainConfig(PairConfig):
    """Train a Switcher by soft actor-critic: LONDI, or LONDI-B where there is a budget."""

    cost: float = 0.005
    """c: price of one DEEPTHINK call, in units of reward."""
    budget: int | Literal["none"] = "none"
    """n: most DEEPTHINK calls of an episode; `none` for no cap."""
    universal: bool = False
    """Train one Switcher for every cost of `cost_range` and every budget up to `most_budget`, and
    none. It can be operated anywhere in there; unless told otherwise, at `cost` and `budget`."""
    cost_range: tuple[float, float] = (0.001, 0.04)
    """The least and the greatest cost of a universal Switcher."""
    most_budget: int = 20
    """The largest budget of a universal Switcher, short of none."""
    budget_mode: Literal["mask", "penalty"] = "mask"
    """`mask` makes a call beyond the budget impossible; `penalty` allows and punishes it."""
    overspend_penalty: float = 1.0
    """Punishment of one call beyond the budget in `penalty` mode, in units of reward."""
    seed: int = 0
    """Seed of weights, episodes, choices and batches."""
    encoder: str = "quick"
    """What the Switcher reads: `quick` (QUICK's own embedding), `quick-words` (and the words
    of QUICK's choice, for actions that are written and not listed), `transformer` (the paper's,
    trained end to end), `model:<name>` (that of any Hugging Face model) or
    `sentence:<model>` (sentence-transformers)."""
    foresight: bool = True
    """Ask both models at every step of the training, and let the critics (never the Switcher) see
    what both would do: more calls in training, and far better values."""
    width: int = 128
    """Width of the hidden layers of actor and critics."""
    steps: int = 40_000
    """Environment steps in all."""
    num_envs: int = 16
    """Environments played side by side."""
    warmup: int = 4_000
    """Steps of uniformly random choices before the actor chooses and anything is learned."""
    exploration: float = 0.3
    """Chance of a uniformly random choice in place of the actor's, throughout the training."""
    steps_per_update: int = 8
    """Environment steps to each gradient step. A training learns from each transition `batch_size`
    / `steps_per_update` times, about; after hundreds of times it knows its episodes by heart."""
    batch_size: int = 256
    """Transitions in a gradient step."""
    capacity: int = 100_000
    """Most transitions in the replay buffer."""
    gamma: float = 0.97
    """Discount of a step."""
    critics: Literal["mean", "min"] = "mean"
    """What is believed of the two critics: their mean, or the lesser (as SAC was published)."""
    tau: float = 0.03
    """Share of the critics that moves into their slow copies at each gradient step."""
    actor_tau: float = 0.002
    """Share of the newest actor in the running mean of actors, which is the Switcher that is kept;
    1 keeps the last actor."""
    learning_rate: float = 1e-3
    """Adam's learning rate, for actor, critics and temperature."""
    alpha: float | Literal["auto"] = 0.001
    """Temperature, in units of reward a nat: `auto` learns it, towards `target_entropy`. The
    entropy of a step is worth up to 0.69 of it, at every step: it must stay small beside the
    cost, or long episodes pay."""
    target_entropy: float = 0.2
    """Entropy that an automatic temperature aims at, as a share of log 2. The choice against the
    Switcher's judgement keeps about this probability: 0.89 -> 0.31, 0.5 -> 0.11, 0.3 -> 0.05,
    0.2 -> 0.03, 0.1 -> 0.013."""
    report_every: int = 500
    """Steps between two reports of progress."""
    checkpoint_every: int = 4_000
    """Steps between two checkpoints, from which an interrupted run goes on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self,
            cost=(0, INF),
            overspend_penalty=(0, INF),
            most_budget=(1, INF),
            seed=(0, 299),
            width=(1, INF),
            steps=(1, 1_000_000),  # no more episodes than `londi.envs.seeds` has for a seed
            num_envs=(1, INF),
            warmup=(0, INF),
            exploration=(0, 1),
            steps_per_update=(1, INF),
            batch_size=(1, INF),
            capacity=(1, INF),
            gamma=(0, 1),
            tau=(1e-6, 1),
            actor_tau=(1e-6, 1),
            learning_rate=(0, INF),
            target_entropy=(1e-3, 0.999),
            report_every=(1, INF),
            checkpoint_every=(1, INF),
        )
        if self.alpha != "auto":
            check(self, alpha=(0, INF))
        if self.warmup >= self.steps:
            raise InvalidConfig(
                f"warmup: expected fewer steps than the {self.steps:,} of the training, after which"
                f" nothing is learned, got {self.warmup:,}"
            )
        check_budget(self.budget)
        low, high = self.cost_range
        if not 0 < low <= high < INF:
            raise InvalidConfig(
                "cost_range: expected two numbers above 0, the lesser first, got"
                f" {list(self.cost_range)}"
            )
        for name in ("budget_mode", "critics", "alpha"):
            only = getattr(type(self), name)
            if self.universal and getattr(self, name) != only:
                raise InvalidConfig(
                    f"{name}: expected {only} for a universal Switcher, got {getattr(self, name)}"
                )


@dataclass(frozen=True)
class EvaluateConfig:
    """Play held-out episodes with QUICK, DEEPTHINK, the baselines and the learned Switcher."""

    episodes: int = 500
    """Held-out episodes, the same for every method."""
    validation_episodes: int = 100
    """Other episodes, on which the threshold is set to the Switcher's call rate."""
    env: str = ""
    """Environment to play instead of the one that the Switcher was trained on."""
    env_options: dict[str, Any] = field(default_factory=dict)
    """Options of the environment that are changed, such as `{split: dev}` in ScienceWorld."""
    cost: float | None = None
    """c, for a universal Switcher; by default the `cost` of its training."""
    budget: int | Literal["none"] | None = None
    """n, for a universal Switcher; by default the `budget` of its training. `none` is no cap."""
    greedy: bool = False
    """Take the likelier choice of the Switcher's, instead of drawing from its policy as in
    training. On the built-in pair drawing does a little better."""
    num_envs: int = 32
    """Environments played side by side."""
    seed: int = 0
    """Seed of random choices."""

    def __post_init__(self) -> None:
        check(
            self, episodes=(1, INF), validation_episodes=(1, INF), num_envs=(1, INF), seed=(0, INF)
        )


@dataclass(frozen=True)
class TuneConfig:
    """Choose where a universal Switcher is operated, on validation episodes."""

    call_rate: float | None = None
    """Share of the steps at which DEEPTHINK is to be called."""
    keep_return: float | None = None
    """Share of DEEPTHINK's return that is to be kept, with as few calls as it takes; 0.99 where
    prices are given and nothing else."""
    price: str = ""
    """Money for a million tokens that each model reads, such as `quick=0.1,deepthink=2.0`."""
    worth: float | None = None
    """Money that a return of 1 is worth: with prices, what is left of it is made as much as can
    be."""
    budget: int | Literal["none"] = "none"
    """n: most DEEPTHINK calls of an episode. Alone, calls within it are as cheap as they come."""
    episodes: int = 200
    """Validation episodes, played at every cost."""
    points: int = 9
    """Costs to try, all over the range of the Switcher."""
    num_envs: int = 32
    """Environments played side by side."""
    seed: int = 0
    """Seed of random choices."""

    def __post_init__(self) -> None:
        check(self, episodes=(1, INF), points=(2, INF), num_envs=(1, INF), seed=(0, INF))
        ranges = {"call_rate": (0, 1), "keep_return": (0, INF), "worth": (0, INF)}
        asked = [name for name in ranges if getattr(self, name) is not None]
        check(self, **{name: ranges[name] for name in asked})
        if len(asked) > 1:
            raise InvalidConfig(
                f"expected one of call_rate, keep_return and worth, got {' and '.join(asked)}"
            )
        if not (asked or self.price or self.budget != "none"):
            raise InvalidConfig(
                "expected what to tune for: --call_rate, --keep_return, --budget or --price"
            )
        if self.worth is not None and not self.price:
            raise InvalidConfig("worth: expected prices as well, such as quick=0.1,deepthink=2.0")
        check_budget(self.budget)
        _ = self.prices

    @property
    def prices(self) -> dict[str, float]:
        """`price` by model; empty without.

        Raises:
            InvalidConfig: if it is no such text.
        """
        if not self.price:
            return {}
        parts = [part.split("=") for part in self.price.replace(" ", "").split(",")]
        try:
            found = {name: float(value) for name, value in parts}
            good = len(parts) == 2 and all(0 <= value < INF for value in found.values())
        except ValueError:
            good = False
        if not good or found.keys() != {"quick", "deepthink"}:
            raise InvalidConfig(
                f"price: expected two such as quick=0.1,deepthink=2.0, got {self.price!r}"
            )
        return found


@dataclass(frozen=True)
class LimitConfig(PairConfig):
    """Find the best that any Switcher could have done on held-out episodes."""

    episodes: int = 100
    """Held-out episodes."""
    most_calls: int = 20
    """K: the largest number of DEEPTHINK calls in an episode that is looked at."""
    states: int = 5_000
    """Most states of an episode; where there are more, the limit is told as `at least` and `at
    most`."""
    minutes: float = 60.0
    """After which no further state is looked at."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, episodes=(1, INF), most_calls=(0, INF), states=(1, INF), minutes=(0, INF))


METHODS = (
    "random",
    "first-k",
    "every-k",
    "confidence",
    "stuck",
    "episode-router",
    "step-router",
    "cql",
    "dqn",
    "ppo",
)
"""The baselines that a frontier can hold a universal Switcher against."""


@dataclass(frozen=True)
class FrontierConfig:
    """Hold universal Switchers against baselines, all along, and against the best there is."""

    runs: list[str] = field(default_factory=list)
    """Folders of `londi train --universal true` that differ in their seed only."""
    methods: list[str] = field(default_factory=lambda: list(METHODS[:-2]))
    """Baselines: random, first-k, every-k, confidence, stuck (SwiftSage's rule), episode-router
    (RouteLLM's way), step-router (MTRouter's way), cql (SeqRoute's way), and dqn and ppo
    (`pip install 'londi[baselines]'`), which are trained anew for each of three costs."""
    episodes: int = 300
    """Held-out episodes, the same for every method."""
    validation_episodes: int = 100
    """Other episodes, by which the settings of every method are chosen."""
    points: int = 9
    """Most settings of a method that are played on the held-out episodes."""
    budgets: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 12])
    """Budgets that every method is played with as well."""
    log_steps: int = 40_000
    """Environment steps of the log that routers learn from, and of each training of dqn and ppo.
    The router by episode learns from an episode for every 40 of them."""
    states: int = 2_000
    """Most states of an episode that the clairvoyant looks at; 0 leaves it out."""
    most_calls: int = 30
    """The largest number of DEEPTHINK calls in an episode that the clairvoyant is asked for."""
    minutes: float = 60.0
    """After which the clairvoyant looks at no further state."""
    timelines: int = 6
    """Episodes that are told step by step."""
    num_envs: int = 32
    """Environments played side by side."""
    seed: int = 0
    """Seed of random choices."""

    def __post_init__(self) -> None:
        check(
            self,
            episodes=(1, INF),
            validation_episodes=(1, INF),
            points=(1, INF),
            log_steps=(1000, 1_000_000),
            states=(0, INF),
            most_calls=(0, INF),
            minutes=(0, INF),
            timelines=(0, INF),
            num_envs=(1, INF),
            seed=(0, INF),
        )
        if not self.runs:
            raise InvalidConfig("runs: expected folders of `londi train --universal true`")
        for name in self.methods:
            if name not in METHODS:
                raise UnknownName("method", name, METHODS)
        if any(budget < 0 for budget in self.budgets):
            raise InvalidConfig(f"budgets: expected whole numbers >= 0, got {self.budgets}")


@dataclass(frozen=True)
class SweepConfig:
    """Train and evaluate a Switcher at every point of a grid."""

    base: dict[str, Any] = field(default_factory=dict)
    """Settings of `londi train` that all runs share."""
    grid: list[dict[str, list[Any]]] = field(default_factory=list)
    """One grid or several, such as `[{cost: [0.1, 0.3], seed: [0, 1, 2]}]`: every combination of
    the values is a run, and runs that differ in their seed only are one line of the table."""
    evaluation: dict[str, Any] = field(default_factory=dict)
    """Settings of `londi evaluate` for the play of each Switcher."""
    jobs: int = 1
    """Runs that are made side by side, each in a process of its own."""

    def __post_init__(self) -> None:
        check(self, jobs=(1, INF))
        if not any(self.grid):
            raise InvalidConfig("grid: expected settings with their values, got none")
        for name, values in (item for part in self.grid for item in part.items()):
            if not values:
                raise InvalidConfig(f"grid: expected at least one value of {name!r}, got none")


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

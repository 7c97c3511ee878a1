"""Base of the Hugging Face models: a prompt in, an action out.

An action is chosen by scoring the candidates or by generating a text; greedy in both cases, so an
answer is a function of (weights, settings, prompt). `seq2seq.py` and `causal.py` hold the two kinds
of models. This file knows no environment and no Switcher.
"""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from transformers import GenerationConfig

from londi.envs.prompt import HISTORY, Chunk, Prompt
from londi.errors import InvalidConfig, MissingExtra, ModelError, UnknownName
from londi.models.devices import check_device
from londi.models.hf.energy import meter
from londi.models.hf.engine import Answer, Engine
from londi.models.hf.int8 import Int8Linear, to_int8
from londi.models.hf.introspection import tokenizer_settings
from londi.models.hf.loading import SETTINGS, load_parts, quiet, read_settings
from londi.models.hf.neighbours import depends_on_batch
from londi.models.hf.reader import MAX_TOKENS, Reader, padded
from londi.models.hf.scoring import CandidateList, Candidates, passes
from londi.models.hf.writing import Writings
from londi.types import Reply, StateDict, Usage

KEPT = 256
"""Number of lists of actions whose token ids are kept."""

DTYPES = ("float32", "bfloat16", "float16", "int8")

Scoring = Literal["logprob", "glam"]

_OF_NO_MATTER = ("_name_or_path", "transformers_version", "architectures")
"""Entries of a model's configuration that do not change an answer."""


class TransformerModel(ABC):
    """A Hugging Face language model that chooses actions.

    Args:
        model: one of `transformers`.
        tokenizer: its tokenizer.
        name: how the user named it.
        history: observations that its prompts keep.
        max_tokens: most tokens of a prompt; see `Reader`.
        batch_size: prompts in one forward pass; longer lists are cut, sorted by length.
        choose: ``"score"`` the candidates or ``"generate"`` a text.
        scoring: ``"logprob"`` sums log-softmax over the candidate's tokens and the end token,
            padding counting 0.0; ``"glam"`` is the published code's sum of raw logits without
            the end token, padding counting 1.0.
        max_new_tokens: most tokens of a generated action; as many are kept free behind a prompt
            where both share the model's context.

    Raises:
        ModelError: if the tokenizer has no end token.
    """

    loader: ClassVar[Any]
    """The class of `transformers` that loads the model."""
    engine: Engine | None
    """What computes the answers in place of torch; None for torch."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        name: str,
        *,
        history: int = HISTORY,
        max_tokens: int = MAX_TOKENS,
        batch_size: int = 64,
        choose: Literal["score", "generate"] = "score",
        scoring: Scoring = "logprob",
        max_new_tokens: int = 16,
    ) -> None:
        end, known = tokenizer.eos_token_id, model.get_input_embeddings().weight.shape[0]
        if end is None:
            raise ModelError(f"model {name!r}: its tokenizer has no end token")
        if end >= known:
            raise ModelError(
                f"model {name!r}: its tokenizer's end token {end} is none of the model's {known}"
            )
        pad = tokenizer.pad_token_id
        # Padding is masked, so any token that the model has will do.
        self.pad_id: int = end if pad is None or pad >= known else pad
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.name = name
        self._batch_size = batch_size
        self._choose = choose
        self.scoring = scoring
        self.max_new_tokens = max_new_tokens
        self._uncounted = False
        self.listed = lru_cache(KEPT)(self._listed)
        self.writings = Writings(self)
        # Greedy means greedy: of what a checkpoint brings for its own way of generating, such as a
        # penalty on the words of the prompt, only the special tokens are kept.
        own = model.generation_config.to_dict()
        special = {key: value for key, value in own.items() if key.endswith("_token_id")}
        model.generation_config = GenerationConfig(**special)
        self.reader = self._reader(history, max_tokens)
        self._meter = meter({weight.device for weight in model.parameters()})
        self.engine = None

    @classmethod
    def load(
        cls, path: str, *, device: str = "cpu", dtype: str = "float32", **settings: Any
    ) -> Self:
        """Load a model by hub name or local path; weights only as safetensors.

        Args:
            path: hub name or local path. Of a model that the hub has in pickled form alone, its
                converted copy is asked for.
            device: such as cpu, cuda or cuda:1; ``"auto"`` spreads the model over all devices
                (accelerate).
            dtype: number format of the weights; with ``"int8"`` the linear layers are int8, and
                everything else is float32.
            settings: the other arguments of this class.

        Raises:
            ModelError: if there is no such model, its weights are pickled, or it does not fit on
                the devices that there are.
            UnknownName: if there is no such number format.
            InvalidConfig: if there is no such device, or it cannot compute in that format.
            MissingExtra: if `device` takes a package that is not installed.
        """
        if device == "auto" and find_spec("accelerate") is None:
            raise MissingExtra("accelerate", "gpu")
        if dtype not in DTYPES:
            raise UnknownName("dtype", dtype, DTYPES)
        int8 = dtype == "int8"
        if int8 and device.partition(":")[0] != "cpu":
            raise InvalidConfig(f"dtype: int8 runs on the device cpu only, got {device!r}")
        if device != "auto":
            check_device(device)
        plain = torch.float32 if int8 else getattr(torch, dtype)
        model, tokenizer = load_parts(cls.loader, path, plain, device)
        if int8:
            to_int8(model)
        loaded = cls(model, tokenizer, path, **{**read_settings(path), **settings})
        half = loaded.model.dtype != torch.float32
        with loaded.brief(3):
            depends = depends_on_batch(loaded.act, loaded._choose == "generate", half)
        if depends:
            loaded._batch_size = 1
            warnings.warn(
                f"model {loaded.name!r}: its answers depend on the other prompts of a batch, so"
                " that it is asked one prompt at a time",
                stacklevel=2,
            )
        return loaded

    @contextmanager
    def brief(self, most: int) -> Iterator[None]:
        """Generate at most so many tokens meanwhile, and count no cut prompt: for a trial."""
        room, self.max_new_tokens = self.max_new_tokens, min(most, self.max_new_tokens)
        try:
            yield
        finally:
            self.max_new_tokens, self.reader.cut = room, 0

    def save(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write weights (safetensors), tokenizer and settings into `folder`.

        Raises:
            ModelError: if the weights are in int8, which no other program could read.
        """
        if self.format == "int8":
            raise ModelError(f"model {self.name!r} is in int8; load it in another dtype to save it")
        with quiet():
            copy.deepcopy(self.model).to(dtype).save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
        wanted = {"history": self.reader.history, "max_tokens": self.reader.max_tokens}
        (folder / SETTINGS).write_text(json.dumps(wanted) + "\n")

    @property
    def fingerprint(self) -> str:
        """A digest of weights, architecture, tokenizer and settings, and the engine's name behind
        ``+``; models with equal fingerprints give equal answers.
        """
        return f"{self._digest}+{self.engine.name}" if self.engine else self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for key, tensor in sorted(self.model.state_dict().items()):
            digest.update(key.encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
        shape = self.model.config.to_dict()
        told = {key: shape[key] for key in shape if key not in _OF_NO_MATTER}
        reading = tokenizer_settings(self.tokenizer)
        shown = (self.reader.history, self.reader.max_tokens)
        settings = (*shown, self._choose, self.scoring, self.max_new_tokens)
        for part in (told, self.model.generation_config.to_dict(), reading):
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
        digest.update(repr((self.tokenizer.chat_template, settings)).encode())
        return digest.hexdigest()

    @property
    def format(self) -> str:
        """Number format of the weights, such as float32 or int8."""
        int8 = any(isinstance(module, Int8Linear) for module in self.model.modules())
        return "int8" if int8 else str(self.model.dtype).removeprefix("torch.")

    @property
    def history(self) -> int:
        """Number of observations of a prompt that the model reads."""
        return self.reader.history

    @property
    def embedding_size(self) -> int:
        """Length of a reply's embedding: the width of the model's last states."""
        return int(self.model.get_output_embeddings().weight.shape[1])

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One action a prompt, in order."""
        replies: list[Reply | None] = [None] * len(prompts)
        reading = self._meter()  # the first chunk's time includes tokenizing all prompts
        answer = self.engine.answer if self.engine else self.answer
        for chunk, tokens in self._chunks(prompts):
            chosen = answer([prompts[i] for i in chunk], tokens)
            reading, before = self._meter(), reading
            spent = reading.since(before, len(chunk))
            for i, (choice, vector), ids in zip(chunk, chosen, tokens, strict=True):
                usage = Usage(
                    calls=1,
                    tokens=len(ids),
                    flops=self._counted(len(ids), choice.steps),
                    **spent._asdict(),
                    output_tokens=choice.tokens,
                )
                replies[i] = Reply(choice.action, choice.logprob, choice.confidence, usage, vector)
        return [reply for reply in replies if reply is not None]

    def state(self) -> StateDict | None:
        """None: answers are greedy, so a resumed run needs no state of the model."""
        return None

    def load_state(self, state: StateDict | None) -> None:
        """Nothing to restore."""
        del state

    def _counted(self, tokens: int, steps: int) -> float:
        """`flops`, or 0 for an architecture whose operations cannot be counted."""
        try:
            return self.flops(tokens, steps)
        except (AttributeError, IndexError, KeyError, NotImplementedError, TypeError) as error:
            if not self._uncounted:
                self._uncounted = True
                warnings.warn(
                    f"model {self.name!r}: its operations cannot be counted and are given as 0"
                    f" ({type(error).__name__}: {error})",
                    stacklevel=2,
                )
            return 0.0

    @abstractmethod
    def flops(self, tokens: int, steps: int) -> float:
        """Floating-point operations of one decision.

        Args:
            tokens: tokens of the prompt.
            steps: steps of the decoder.
        """

    @abstractmethod
    def action_ids(self, actions: Sequence[str]) -> list[list[int]]:
        """The token ids of each action as it follows a prompt, the end token last."""

    @abstractmethod
    def loss(self, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the tokens of actions.

        Args:
            ids: prompts `[B, L]`, padded behind.
            mask: 1 where `ids` count `[B, L]`.
            labels: of `action_ids` `[B, T]`, padded with `IGNORED`.
        """

    @abstractmethod
    def _reader(self, history: int, max_tokens: int) -> Reader:
        """The tokenizing of prompts for this kind of model."""

    @abstractmethod
    def answer(self, prompts: Sequence[Prompt], tokens: list[list[int]]) -> list[Answer]:
        """A choice for each prompt, and its embedding, computed by torch.

        Args:
            prompts: B prompts of one forward pass.
            tokens: the token ids of each.
        """

    @property
    @abstractmethod
    def end_ids(self) -> list[int]:
        """The tokens that end a generated action."""

    @property
    @abstractmethod
    def stop_ids(self) -> list[int]:
        """The tokens that end a text, the one that is learned first."""

    @abstractmethod
    def texts(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """The actions that were generated, from the token ids of each."""

    def check_room(self, prompt: int, action: int) -> None:
        """Raise ModelError if an action of so many tokens does not fit behind such a prompt; where
        a decoder has a context of its own, each fits.
        """
        del prompt, action

    def room(self, prompt: int, answer: int) -> int:
        """Tokens that can be generated behind a prompt of so many, at most `answer`."""
        del prompt
        return answer

    def _longest(self, max_tokens: int) -> int:
        """The model's context length, at most `max_tokens`."""
        config = self.model.config.get_text_config()
        bound: int | None = getattr(config, "max_position_embeddings", None)
        return min(max_tokens, bound or max_tokens)

    def _padded(self, tokens: list[list[int]], front: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and mask `[B, L]`, padded in front or behind."""
        ids, mask = map(torch.from_numpy, padded(tokens, self.pad_id, front))
        return ids.to(self.model.device), mask.to(self.model.device)

    def _chunks(self, prompts: Sequence[Prompt]) -> Iterator[tuple[list[int], list[list[int]]]]:
        """Indices and token ids of each forward pass, shortest prompts first."""
        ids = self.reader.read(prompts)
        order = sorted(range(len(prompts)), key=lambda i: len(ids[i]))
        for start in range(0, len(order), self._batch_size):
            chunk = order[start : start + self._batch_size]
            yield chunk, [ids[i] for i in chunk]

    def groups(self, prompts: Sequence[Prompt]) -> tuple[list[int], dict[Chunk | None, list[int]]]:
        """Rows whose candidates are scored; and those that are generated, by their bounds."""
        scored: list[int] = []
        generated: dict[Chunk | None, list[int]] = {}
        for row, prompt in enumerate(prompts):
            if prompt.actions and self._choose == "score":
                scored.append(row)
            else:
                generated.setdefault(prompt.chunk, []).append(row)
        return scored, generated

    def score_passes(
        self, prompts: Sequence[Prompt], tokens: Sequence[Sequence[int]], rows: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], Candidates]]:
        """The rows of each pass of torch that scores candidates, and these candidates."""
        lists = [self.listed(prompts[row].actions) for row in rows]
        lengths = [len(tokens[row]) for row in rows]
        for own, length in zip(lists, lengths, strict=True):
            self.check_room(length, max(own.lengths))
        for part in passes(lists, lengths):
            yield rows[part], Candidates(lists[part], self.model.device)

    def _listed(self, actions: tuple[str, ...]) -> CandidateList:
        rows = self.action_ids(actions)
        if self.scoring == "glam":
            return CandidateList.of(actions, [row[:-1] for row in rows], 1.0)
        return CandidateList.of(actions, rows, 0.0)

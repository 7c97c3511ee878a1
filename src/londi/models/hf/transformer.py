"""What all Hugging Face models have in common as players: a prompt in, an action out.

An action is chosen by scoring the candidates or by generating; greedy in both cases, so an answer
is a function of (weights, settings, prompt). How a model of one kind does it is known in
`seq2seq.py` and `causal.py`. This file knows no environment and no Switcher.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from os.path import exists
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoTokenizer, GenerationConfig
from transformers.utils import logging as hf_logging

from londi.envs.prompt import HISTORY, Prompt
from londi.errors import InvalidConfig, MissingExtra, ModelError, UnknownName
from londi.models.check import check_replies
from londi.models.hf.energy import energy_counter
from londi.models.hf.int8 import Int8Linear, to_int8
from londi.models.hf.reader import MAX_TOKENS, Reader
from londi.types import Reply, Usage

SETTINGS = "londi.json"
"""Beside the weights: how this model wants its prompts (`history`, `max_tokens`)."""

IGNORED = -100
"""The label that pads a candidate, and that a loss leaves out."""

DTYPES = ("float32", "bfloat16", "float16", "int8")

Scoring = Literal["logprob", "glam"]

_OF_NO_MATTER = ("_name_or_path", "transformers_version", "architectures")
"""Entries of a model's configuration that no answer depends on."""


class Choice(NamedTuple):
    """An action, its log-probability, its share among the candidates, and the decoder's steps."""

    action: str
    logprob: float
    confidence: float
    steps: int


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
        max_new_tokens: bound of a generated action, and the room that is kept for one behind a
            prompt where they share the model's context.

    Raises:
        ModelError: if the tokenizer has no end token.
    """

    loader: ClassVar[Any]
    """The class of `transformers` that loads the model."""

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
        if tokenizer.eos_token_id is None:
            raise ModelError(f"model {name!r}: its tokenizer has no end token")
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.name = name
        self._batch_size = batch_size
        self._choose = choose
        self._scoring = scoring
        self._max_new_tokens = max_new_tokens
        self._candidates: dict[tuple[str, ...], torch.Tensor] = {}
        # Greedy means greedy: of what a checkpoint brings for its own way of generating, such as a
        # penalty on the words of the prompt, only the special tokens are kept.
        own = model.generation_config.to_dict()
        special = {key: value for key, value in own.items() if key.endswith("_token_id")}
        model.generation_config = GenerationConfig(**special)
        self.reader = self._reader(history, max_tokens)
        self._energy = energy_counter({weight.device for weight in model.parameters()})

    @classmethod
    def load(
        cls, path: str, *, device: str = "cpu", dtype: str = "float32", **settings: Any
    ) -> Self:
        """Load a model by hub name or local path; weights only as safetensors.

        Args:
            path: hub name or local path. Of a model that the hub has in pickled form alone, its
                converted copy is asked for.
            device: where to, such as cpu, cuda or cuda:1; ``"auto"`` lets accelerate spread it
                over what there is.
            dtype: number format of the weights; ``"int8"`` is that of the linear layers, and
                everything else of such a model is float32.
            settings: the other arguments of this class.

        Raises:
            ModelError: if there is no such model, its weights are pickled, there is no such device,
                or the model does not fit on the devices that there are.
            UnknownName: if there is no such number format.
            InvalidConfig: if the device cannot compute in it.
            MissingExtra: if `device` takes a package that is not installed.
        """
        if device == "auto" and find_spec("accelerate") is None:
            raise MissingExtra("accelerate", "gpu")
        if dtype not in DTYPES:
            raise UnknownName("dtype", dtype, DTYPES)
        int8 = dtype == "int8"
        if int8 and device.partition(":")[0] != "cpu":
            raise InvalidConfig(f"dtype: int8 runs on the device cpu only, got {device!r}")
        with _loading(path):
            tokenizer = AutoTokenizer.from_pretrained(path)
            model = cls.loader.from_pretrained(
                path,
                dtype=torch.float32 if int8 else getattr(torch, dtype),
                use_safetensors=True,
                device_map="auto" if device == "auto" else None,
            )
            model = model if device == "auto" else model.to(device)
            if any(weight.is_meta for weight in model.parameters()):
                raise ValueError("it does not fit on the devices, and would be read from disk")
            if int8:
                to_int8(model)
        file = Path(path) / SETTINGS
        if file.is_file():
            settings = {**json.loads(file.read_text()), **settings}
        return cls(model, tokenizer, path, **settings)

    def save(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write weights (safetensors), tokenizer and settings into `folder`.

        Raises:
            ModelError: if the weights are in int8, which no other program could read.
        """
        if any(isinstance(module, Int8Linear) for module in self.model.modules()):
            raise ModelError(f"model {self.name!r} is in int8; load it in another dtype to save it")
        with _quiet():
            copy.deepcopy(self.model).to(dtype).save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
        wanted = {"history": self.reader.history, "max_tokens": self.reader.max_tokens}
        (folder / SETTINGS).write_text(json.dumps(wanted) + "\n")

    @cached_property
    def fingerprint(self) -> str:
        """A digest of weights, architecture, tokenizer and settings: equal only if every answer is
        equal.
        """
        digest = hashlib.sha256()
        for key, tensor in sorted(self.model.state_dict().items()):
            digest.update(key.encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
        shape = self.model.config.to_dict()
        told = {key: shape[key] for key in shape if key not in _OF_NO_MATTER}
        reading = json.loads(self.tokenizer.backend_tokenizer.to_str())
        reading |= {"padding": None, "truncation": None}  # as the last call left them
        shown = (self.reader.history, self.reader.max_tokens)
        settings = (*shown, self._choose, self._scoring, self._max_new_tokens)
        for part in (told, self.model.generation_config.to_dict(), reading):
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
        digest.update(repr((self.tokenizer.chat_template, settings)).encode())
        return digest.hexdigest()

    @property
    def history(self) -> int:
        """Observations of a prompt that it reads."""
        return self.reader.history

    @property
    def embedding_size(self) -> int:
        """Numbers of a reply's embedding: the width of the model's last states."""
        return int(self.model.get_output_embeddings().weight.shape[1])

    def act(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One action a prompt, in order."""
        replies: list[Reply | None] = [None] * len(prompts)
        start = time.perf_counter()  # that of the first chunk tokenises for all
        used = self._energy()
        for chunk, tokens in self._chunks(prompts):
            chosen = self._act([prompts[i] for i in chunk], tokens)
            start, began = time.perf_counter(), start
            used, before = self._energy(), used
            seconds, joules = (start - began) / len(chunk), (used - before) / len(chunk)
            for i, (choice, vector), ids in zip(chunk, chosen, tokens, strict=True):
                flops = self.flops(len(ids), choice.steps)
                usage = Usage(1, len(ids), seconds, flops, joules)
                replies[i] = Reply(*choice[:3], usage, vector)
        answers = [reply for reply in replies if reply is not None]
        check_replies(self, prompts, answers)
        return answers

    def state(self) -> dict[str, Any] | None:
        """None: answers are greedy, so a resumed run needs nothing of the model."""
        return None

    def load_state(self, state: dict[str, Any] | None) -> None:
        """Nothing to restore."""
        del state

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
        """What of a prompt is shown to the model."""

    @abstractmethod
    def _act(
        self, prompts: Sequence[Prompt], tokens: list[list[int]]
    ) -> list[tuple[Choice, np.ndarray]]:
        """A choice for each prompt, and what the model makes of the state `[embedding_size]`."""

    def _longest(self, max_tokens: int) -> int:
        """Most tokens in the model's context, where it has a bound below `max_tokens`."""
        config = self.model.config.get_text_config()
        bound: int | None = getattr(config, "max_position_embeddings", None)
        return min(max_tokens, bound or max_tokens)

    def _padded(self, tokens: list[list[int]], front: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and mask `[B, L]`, padded in front or behind."""
        length = max(map(len, tokens))
        ids = torch.full((len(tokens), length), self.tokenizer.pad_token_id)
        mask = torch.zeros(len(tokens), length, dtype=torch.long)
        for row, own in enumerate(tokens):
            place = slice(length - len(own), None) if front else slice(len(own))
            ids[row, place] = torch.tensor(own)
            mask[row, place] = 1
        return ids.to(self.model.device), mask.to(self.model.device)

    def _chunks(self, prompts: Sequence[Prompt]) -> Iterator[tuple[list[int], list[list[int]]]]:
        """Indices and token ids of one forward pass at a time, shortest prompts first."""
        ids = self.reader.read(prompts)
        order = sorted(range(len(prompts)), key=lambda i: len(ids[i]))
        for start in range(0, len(order), self._batch_size):
            chunk = order[start : start + self._batch_size]
            yield chunk, [ids[i] for i in chunk]

    def _groups(self, prompts: Sequence[Prompt]) -> dict[tuple[str, ...], list[int]]:
        """The rows by what there is to choose from; by nothing where a text is generated."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for row, prompt in enumerate(prompts):
            actions = prompt.actions if self._choose == "score" else ()
            groups.setdefault(actions, []).append(row)
        return groups

    def _candidate_ids(self, actions: Sequence[str]) -> torch.Tensor:
        """Token ids `[C, T]` of the candidates, padded with `IGNORED`."""
        key = tuple(actions)
        if key not in self._candidates:
            rows = self.action_ids(actions)
            if self._scoring == "glam":
                rows = [row[:-1] for row in rows]
            ids = torch.full((len(rows), max(map(len, rows))), IGNORED)
            for k, row in enumerate(rows):
                ids[k, : len(row)] = torch.tensor(row)
            self._candidates[key] = ids.to(self.model.device)
        return self._candidates[key]

    def _sums(self, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Scores `[B, C]` of candidates `ids` `[C, T]`, by the logits `[B, C, T, V]` before each
        of their tokens.
        """
        logits = logits.float()
        if self._scoring == "logprob":
            logits = logits.log_softmax(-1)
        target = ids.clamp(min=0).expand(logits.shape[0], -1, -1).unsqueeze(-1)
        picked = logits.gather(-1, target).squeeze(-1)  # [B, C, T]
        padding = 0.0 if self._scoring == "logprob" else 1.0
        return picked.masked_fill(ids < 0, padding).sum(-1)

    def _best(self, scores: torch.Tensor, actions: tuple[str, ...]) -> list[Choice]:
        """The candidate with the highest score, of each row of `scores` `[B, C]`."""
        confidence = scores.softmax(1)
        # One step for the first token of all, then one for each further token of a candidate.
        steps = 1 + int((self._candidate_ids(actions) != IGNORED).sum()) - len(actions)
        return [
            Choice(actions[k], float(scores[row, k]), float(confidence[row, k]), steps)
            for row, k in enumerate(scores.argmax(1).tolist())
        ]

    def _generated(
        self,
        texts: Sequence[str],
        made: torch.Tensor,
        logits: Sequence[torch.Tensor],
        lengths: Sequence[int],
    ) -> list[Choice]:
        """What was generated.

        Args:
            texts: B actions.
            made: their token ids `[B, T]`.
            logits: `[B, V]` before each of the T tokens.
            lengths: how many of the T are the action's, its end token included.
        """
        logprobs = torch.stack(list(logits), 1).float().log_softmax(-1)  # [B, T, V]
        picked = logprobs.gather(-1, made.unsqueeze(-1)).squeeze(-1)
        totals = [float(row[:count].sum()) for row, count in zip(picked, lengths, strict=True)]
        return [
            Choice(text.strip(), total, float(np.exp(total)), count)
            for text, total, count in zip(texts, totals, lengths, strict=True)
        ]


def matrix_weights(part: Any, head: nn.Module) -> int:
    """Weights of the matrices of `part` that a token is multiplied by, but for those of `head`.

    Of a mixture of experts only as many as are asked count.
    """
    asked = getattr(part.config.get_text_config(), "num_experts_per_tok", 1)
    total = 0
    for module in part.modules():
        if isinstance(module, nn.Embedding) or module is head:
            continue
        for weight in module.parameters(recurse=False):
            if weight.ndim == 2:
                total += weight.numel()
            elif weight.ndim == 3:  # one matrix an expert
                total += weight.numel() // len(weight) * asked
    return total


def is_encoder_decoder(path: str) -> bool:
    """Whether the model of that hub name or path is a seq2seq one.

    Raises:
        ModelError: if there is no such model.
    """
    with _loading(path):
        return bool(AutoConfig.from_pretrained(path).is_encoder_decoder)


@contextmanager
def _loading(path: str) -> Iterator[None]:
    """Quietly; what goes wrong is said in one line."""
    if path.startswith(("/", "./", "../", "~")) and not exists(path):
        # No name that a hub could have, and the library would explain how those are written.
        raise ModelError(f"cannot load a model from {path!r}: there is no such folder")
    try:
        with _quiet():
            yield
    except (
        ImportError,
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        AssertionError,
        SafetensorError,
    ) as error:
        reason = next(iter(str(error).strip().splitlines()), "no reason").rstrip(": ")
        raise ModelError(f"cannot load a model from {path!r}: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's progress bars and notices off the user's screen."""
    level = hf_logging.get_verbosity()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)

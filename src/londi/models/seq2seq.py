"""Hugging Face seq2seq models (T5, Flan-T5) as players: a prompt in, an action out.

An action is chosen by scoring the candidates, all of a batch in one encoder pass, or by
generating. Greedy in both cases, so an answer is a function of (weights, settings, prompt).
This file knows no environment and no Switcher.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging as hf_logging

from londi.errors import MissingExtra, ModelError
from londi.models.energy import energy_counter
from londi.models.reader import MAX_TOKENS, Reader
from londi.prompts import HISTORY, Prompt
from londi.types import Reply, Usage

SETTINGS = "londi.json"
"""Beside the weights: how this model wants its prompts (`history`, `max_tokens`)."""

IGNORED = -100
"""The label that pads a candidate, and that a loss leaves out."""

Scoring = Literal["logprob", "glam"]


class Choice(NamedTuple):
    """An action, its log-probability, its share among the candidates, and the decoder's steps."""

    action: str
    logprob: float
    confidence: float
    steps: int


class Seq2SeqModel:
    """A seq2seq language model that chooses actions.

    Args:
        model: a `transformers` encoder-decoder.
        tokenizer: its tokenizer.
        name: how the user named it.
        history: observations that its prompts keep.
        max_tokens: most tokens of a prompt; see `Reader`.
        batch_size: prompts in one forward pass; longer lists are cut, sorted by length.
        choose: ``"score"`` the candidates or ``"generate"`` a text.
        scoring: ``"logprob"`` sums log-softmax over the candidate's tokens and the end token,
            padding counting 0.0; ``"glam"`` is the published code's sum of raw logits without
            the end token, padding counting 1.0.
        max_new_tokens: bound of a generated action.
    """

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
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.name = name
        longest = getattr(model.config, "max_position_embeddings", None) or max_tokens
        self.reader = Reader(tokenizer, history, min(max_tokens, longest))
        self._energy = energy_counter(model.device)
        self._batch_size = batch_size
        self._choose = choose
        self._scoring = scoring
        self._max_new_tokens = max_new_tokens
        self._fingerprint: str | None = None
        self._candidates: dict[tuple[str, ...], torch.Tensor] = {}

    @classmethod
    def load(
        cls, path: str, *, device: str = "cpu", dtype: str = "float32", **settings: Any
    ) -> Seq2SeqModel:
        """Load a model by hub name or local path; weights only as safetensors.

        Args:
            path: hub name or local path. Of a model that the hub has in pickled form alone, its
                converted copy is asked for.
            device: where to, such as cpu, cuda or cuda:1; ``"auto"`` lets accelerate spread it
                over what there is.
            dtype: number format of the weights.
            settings: the other arguments of this class.

        Raises:
            ModelError: if there is no such model, its weights are pickled, or there is no such
                device.
            MissingExtra: if `device` takes a package that is not installed.
        """
        if device == "auto" and find_spec("accelerate") is None:
            raise MissingExtra("accelerate", "gpu")
        if path.startswith(("/", "./", "../", "~")) and not Path(path).exists():
            # No name that a hub could have, and the library would explain how those are written.
            raise ModelError(f"cannot load a seq2seq model from {path!r}: there is no such folder")
        with _quiet():
            try:
                tokenizer = AutoTokenizer.from_pretrained(path)
                model = AutoModelForSeq2SeqLM.from_pretrained(
                    path,
                    dtype=getattr(torch, dtype),
                    use_safetensors=True,
                    device_map="auto" if device == "auto" else None,
                )
                model = model if device == "auto" else model.to(device)
            except (
                OSError,
                ValueError,
                KeyError,
                RuntimeError,
                AssertionError,
                SafetensorError,
            ) as error:
                reason = next(iter(str(error).strip().splitlines()), "no reason").rstrip(": ")
                raise ModelError(f"cannot load a seq2seq model from {path!r}: {reason}") from error
        file = Path(path) / SETTINGS
        if file.is_file():
            settings = {**json.loads(file.read_text()), **settings}
        return cls(model, tokenizer, path, **settings)

    def save(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write weights (safetensors), tokenizer and settings into `folder`."""
        with _quiet():
            original = next(self.model.parameters()).dtype
            self.model.to(dtype).save_pretrained(folder)
            self.model.to(original)
            self.tokenizer.save_pretrained(folder)
        wanted = {"history": self.reader.history, "max_tokens": self.reader.max_tokens}
        (folder / SETTINGS).write_text(json.dumps(wanted) + "\n")

    @property
    def fingerprint(self) -> str:
        """A digest of weights, tokenizer and settings: equal only if every answer is equal."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            for key, tensor in sorted(self.model.state_dict().items()):
                digest.update(key.encode())
                digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
            digest.update(json.dumps(self.tokenizer.get_vocab(), sort_keys=True).encode())
            shown = (self.reader.history, self.reader.max_tokens)
            settings = (*shown, self._choose, self._scoring, self._max_new_tokens)
            digest.update(repr(settings).encode())
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    @property
    def history(self) -> int:
        """Observations of a prompt that it reads."""
        return self.reader.history

    @property
    def embedding_size(self) -> int:
        return int(self.model.config.d_model)

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
        return replies  # type: ignore[return-value]

    def flops(self, tokens: int, steps: int) -> float:
        """Floating-point operations of one decision.

        Args:
            tokens: tokens of the prompt.
            steps: steps of the decoder.
        """
        config = self.model.config
        inner = config.num_heads * config.d_kv
        attention = 4 * config.d_model * inner
        feed = config.d_model * config.d_ff * (3 if config.is_gated_act else 2)
        encoder = config.num_layers * (tokens * (attention + feed) + 2 * tokens**2 * inner)
        crossing = config.num_decoder_layers * tokens * 2 * config.d_model * inner
        per_step = config.num_decoder_layers * (
            attention + feed + 2 * config.d_model * inner + 2 * tokens * inner
        )
        decoder = steps * (per_step + config.d_model * config.vocab_size)
        return 2.0 * float(encoder + crossing + decoder)

    def _chunks(self, prompts: Sequence[Prompt]) -> Iterator[tuple[list[int], list[list[int]]]]:
        """Indices and token ids of one forward pass at a time, shortest prompts first."""
        ids = self.reader.read(prompts)
        order = sorted(range(len(prompts)), key=lambda i: len(ids[i]))
        for start in range(0, len(order), self._batch_size):
            chunk = order[start : start + self._batch_size]
            yield chunk, [ids[i] for i in chunk]

    @torch.inference_mode()
    def _encode(self, tokens: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Encoder states `[B, L, d]` and the mask `[B, L]` of the tokens that count."""
        device = self.model.device
        length = max(map(len, tokens))
        mask = torch.zeros(len(tokens), length, dtype=torch.long)
        for row, ids in enumerate(tokens):
            mask[row, : len(ids)] = 1
        padded = torch.full((len(tokens), length), self.tokenizer.pad_token_id)
        for row, ids in enumerate(tokens):
            padded[row, : len(ids)] = torch.tensor(ids)
        mask = mask.to(device)
        encoder = self.model.get_encoder()
        states = encoder(input_ids=padded.to(device), attention_mask=mask).last_hidden_state
        return states, mask

    @torch.inference_mode()
    def _act(
        self, prompts: Sequence[Prompt], tokens: list[list[int]]
    ) -> Iterable[tuple[Choice, np.ndarray]]:
        states, mask = self._encode(tokens)
        weights = mask.unsqueeze(-1).to(states.dtype)
        pooled = ((states * weights).sum(1) / weights.sum(1)).float().cpu().numpy()
        groups: dict[tuple[str, ...], list[int]] = {}
        for row, prompt in enumerate(prompts):
            actions = prompt.actions if self._choose == "score" else ()
            groups.setdefault(actions, []).append(row)
        chosen: dict[int, Choice] = {}
        for actions, rows in groups.items():
            if actions:
                found = self._score(states[rows], mask[rows], actions)
            else:
                found = self._generate(states[rows], mask[rows])
            chosen.update(zip(rows, found, strict=True))
        return zip((chosen[row] for row in range(len(prompts))), pooled, strict=True)

    def _score(
        self, states: torch.Tensor, mask: torch.Tensor, actions: tuple[str, ...]
    ) -> list[Choice]:
        scores = self.scores(states, mask, actions)
        best = scores.argmax(1)
        confidence = scores.softmax(1)
        # One step for the start token, then one for each further token of a candidate.
        steps = 1 + int((self._candidate_ids(actions) != IGNORED).sum()) - len(actions)
        return [
            Choice(actions[k], float(scores[row, k]), float(confidence[row, k]), steps)
            for row, k in enumerate(best.tolist())
        ]

    def scores(
        self, states: torch.Tensor, mask: torch.Tensor, actions: tuple[str, ...]
    ) -> torch.Tensor:
        """Score of every candidate `[B, C]`.

        The start token is decoded once a prompt, which also computes the keys and values of
        the encoder states once; the candidates' own tokens then run on copies of that cache.
        """
        ids = self._candidate_ids(actions)  # [C, T], padded with IGNORED, the end token last
        rows, (count, width) = states.shape[0], ids.shape
        start = self.model.config.decoder_start_token_id
        first = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=mask,
            decoder_input_ids=torch.full((rows, 1), start, device=states.device),
            use_cache=True,
        )
        logits: torch.Tensor = first.logits.expand(rows, count, -1).unsqueeze(2)  # [B, C, 1, V]
        if width > 1:
            cache = first.cache
            cache.batch_repeat_interleave(count)
            rest = self.model(
                encoder_outputs=BaseModelOutput(
                    last_hidden_state=states.repeat_interleave(count, 0)
                ),
                attention_mask=mask.repeat_interleave(count, 0),
                decoder_input_ids=ids[:, :-1].clamp(min=0).repeat(rows, 1),
                cache=cache,
                use_cache=True,
            )
            more = rest.logits.view(rows, count, width - 1, -1)
            logits = torch.cat([logits, more], 2)
        logits = logits.float()
        if self._scoring == "logprob":
            logits = logits.log_softmax(-1)
        target = ids.clamp(min=0).expand(rows, -1, -1).unsqueeze(-1)
        picked = logits.gather(-1, target).squeeze(-1)  # [B, C, T]
        padding = 0.0 if self._scoring == "logprob" else 1.0
        return picked.masked_fill(ids < 0, padding).sum(-1)

    def _generate(self, states: torch.Tensor, mask: torch.Tensor) -> list[Choice]:
        out = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=mask,
            max_new_tokens=self._max_new_tokens,
            do_sample=False,
            num_beams=1,
            return_dict_in_generate=True,
            output_logits=True,
        )
        texts = self.tokenizer.batch_decode(out.sequences, skip_special_tokens=True)
        logits = torch.stack(out.logits, 1).float().log_softmax(-1)  # [B, T, V]
        made = out.sequences[:, 1:]
        logprobs = logits.gather(-1, made.unsqueeze(-1)).squeeze(-1)
        padding = made == self.tokenizer.pad_token_id
        total = logprobs.masked_fill(padding, 0.0).sum(1).tolist()
        steps = (~padding).sum(1).tolist()
        return [
            Choice(text.strip(), value, float(np.exp(value)), count)
            for text, value, count in zip(texts, total, steps, strict=True)
        ]

    def _candidate_ids(self, actions: Sequence[str]) -> torch.Tensor:
        key = tuple(actions)
        if key not in self._candidates:
            rows = self.tokenizer(list(actions))["input_ids"]
            if self._scoring == "glam":
                rows = [row[:-1] for row in rows]
            ids = torch.full((len(rows), max(map(len, rows))), IGNORED)
            for k, row in enumerate(rows):
                ids[k, : len(row)] = torch.tensor(row)
            self._candidates[key] = ids.to(self.model.device)
        return self._candidates[key]


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

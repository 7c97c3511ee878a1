"""Decoders (Llama, Qwen, GPT-2) as players: an action continues the prompt.

A model with a chat template is given the prompt as a user's message and answers with the action.
This file knows no environment and no Switcher.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM

from londi.models.reader import Reader
from londi.models.transformer import IGNORED, Choice, TransformerModel
from londi.prompts import Prompt

_BEFORE = ":"
"""What stands before an action in the prompts."""

_ASKING = 16
"""Tokens at the end of a prompt that hold the question, and are never cut off."""

_MARK = "<text>"


class CausalModel(TransformerModel):
    """A causal language model that chooses actions; see `TransformerModel`.

    A generated action ends with its line. A reply's embedding is the last layer's state at the
    last token of the prompt.
    """

    loader = AutoModelForCausalLM

    def __init__(self, model: Any, tokenizer: Any, name: str, **settings: Any) -> None:
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        super().__init__(model, tokenizer, name, **settings)
        own = model.generation_config.eos_token_id  # none, one or several
        self._end_ids = sorted(
            {tokenizer.eos_token_id, *([own] if isinstance(own, int) else own or ())}
        )
        self._takes_positions = "position_ids" in inspect.signature(model.forward).parameters

    @property
    def embedding_size(self) -> int:
        return int(self.model.config.get_text_config().hidden_size)

    def flops(self, tokens: int, steps: int) -> float:
        config = self.model.config.get_text_config()
        head = self.model.get_output_embeddings()
        matrices = [
            part.weight
            for part in self.model.modules()
            if not isinstance(part, nn.Embedding)
            and part is not head
            and getattr(part, "weight", None) is not None
            and part.weight.ndim == 2
        ]
        width = getattr(config, "head_dim", None) or config.hidden_size // (
            config.num_attention_heads
        )
        inner = config.num_hidden_layers * config.num_attention_heads * width
        body = sum(weight.numel() for weight in matrices)
        # The first step is that of the last token of the prompt.
        prompt = tokens * body + 2 * tokens**2 * inner
        further = (steps - 1) * (body + 2 * tokens * inner)
        return 2.0 * float(prompt + further + steps * head.weight.numel())

    def action_ids(self, actions: Sequence[str]) -> list[list[int]]:
        end = self.tokenizer.eos_token_id
        follow = self._ids if self.tokenizer.chat_template else self._behind
        return [[*follow(action), end] for action in actions]

    def loss(self, ids: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        # Padding in front, so that an action stands right behind its prompt.
        shift = mask.shape[1] - mask.sum(1, keepdim=True)
        order = (torch.arange(mask.shape[1], device=mask.device) - shift) % mask.shape[1]
        counted = labels != IGNORED
        both = torch.cat([mask.gather(1, order), counted.long()], 1)
        out = self._forward(torch.cat([ids.gather(1, order), labels.where(counted, 0)], 1), both)
        logits = out.logits[:, -labels.shape[1] - 1 : -1].flatten(0, 1)
        return functional.cross_entropy(logits, labels.flatten(), ignore_index=IGNORED)

    def _reader(self, history: int, max_tokens: int) -> Reader:
        config = self.model.config.get_text_config()
        longest = getattr(config, "max_position_embeddings", None) or max_tokens
        return Reader(self._tokenize, history, min(max_tokens, longest), self._closing())

    def _closing(self) -> int:
        if not self.tokenizer.chat_template:
            return _ASKING
        return _ASKING + len(self._ids(self._chat(_MARK).rpartition(_MARK)[2]))

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        if self.tokenizer.chat_template:
            return [self._ids(self._chat(text)) for text in texts]
        end = self.tokenizer.eos_token_id
        rows = self.tokenizer([text.rstrip() for text in texts], verbose=False)["input_ids"]
        return [row[:-1] if row[-1:] == [end] else row for row in rows]

    def _chat(self, text: str) -> str:
        """The text as a user's message, up to where the answer begins."""
        said = [{"role": "user", "content": text}]
        chat: str = self.tokenizer.apply_chat_template(
            said, tokenize=False, add_generation_prompt=True
        )
        return chat

    def _behind(self, action: str) -> list[int]:
        """The action as it follows a colon: at the start of a text some tokenizers part it
        otherwise, and some have one token for a colon and a space.
        """
        before, both = self._ids(_BEFORE), self._ids(f"{_BEFORE} {action}")
        parted = both[: len(before)] == before
        return both[len(before) :] if parted else self._ids(f" {action}")

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def _padded(self, tokens: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Token ids and mask `[B, L]`, padding in front."""
        length = max(map(len, tokens))
        ids = torch.full((len(tokens), length), self.tokenizer.pad_token_id)
        mask = torch.zeros(len(tokens), length, dtype=torch.long)
        for row, own in enumerate(tokens):
            ids[row, length - len(own) :] = torch.tensor(own)
            mask[row, length - len(own) :] = 1
        return ids.to(self.model.device), mask.to(self.model.device)

    def _forward(self, ids: Tensor, mask: Tensor, **more: Any) -> Any:
        """A pass over tokens `[B, T]` that are the last ones of `mask` `[B, L]`, T <= L."""
        if self._takes_positions:
            places = (mask.cumsum(1) - 1).clamp(min=0)
            more["position_ids"] = places[:, -ids.shape[1] :]
        return self.model(input_ids=ids, attention_mask=mask, **more)

    @torch.inference_mode()
    def _act(
        self, prompts: Sequence[Prompt], tokens: list[list[int]]
    ) -> list[tuple[Choice, np.ndarray]]:
        chosen: dict[int, tuple[Choice, np.ndarray]] = {}
        for actions, rows in self._groups(prompts).items():
            ids, mask = self._padded([tokens[row] for row in rows])
            if actions:
                scores, states = self.scores(ids, mask, actions)
                found = self._best(scores, actions)
            else:
                found, states = self._generate(ids, mask)
            chosen.update(
                zip(rows, zip(found, states.float().cpu().numpy(), strict=True), strict=True)
            )
        return [chosen[row] for row in range(len(prompts))]

    def scores(self, ids: Tensor, mask: Tensor, actions: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        """Score of every candidate `[B, C]`, and the state behind each prompt `[B, d]`.

        A prompt is read once; the candidates then run on copies of its keys and values.
        """
        candidates = self._candidate_ids(actions)  # [C, T]
        rows, (count, width) = ids.shape[0], candidates.shape
        first = self._forward(
            ids, mask, use_cache=True, output_hidden_states=True, logits_to_keep=1
        )
        logits = first.logits[:, -1:].expand(rows, count, -1).unsqueeze(2)  # [B, C, 1, V]
        if width > 1:
            cache = first.cache
            cache.batch_repeat_interleave(count)
            own = candidates[:, :-1].clamp(min=0).repeat(rows, 1)
            seen = torch.cat([mask.repeat_interleave(count, 0), torch.ones_like(own)], 1)
            rest = self._forward(own, seen, cache=cache, use_cache=True)
            logits = torch.cat([logits, rest.logits.view(rows, count, width - 1, -1)], 2)
        return self._sums(logits, candidates), first.hidden_states[-1][:, -1]

    def _generate(self, ids: Tensor, mask: Tensor) -> tuple[list[Choice], Tensor]:
        out = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=self._max_new_tokens,
            do_sample=False,
            num_beams=1,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self._end_ids,
            stop_strings=["\n"],
            tokenizer=self.tokenizer,
            return_dict_in_generate=True,
            output_logits=True,
            output_hidden_states=True,
        )
        made = out.sequences[:, ids.shape[1] :]
        # Token by token: the token that pads may be the one that ends.
        lengths = [
            next((t for t, token in enumerate(row, 1) if self._ends(token)), len(row))
            for row in made.tolist()
        ]
        rows = [row[:count] for row, count in zip(made, lengths, strict=True)]
        lines = [
            text.strip().partition("\n")[0]
            for text in self.tokenizer.batch_decode(rows, skip_special_tokens=True)
        ]
        return self._generated(lines, made, out.logits, lengths), out.hidden_states[0][-1][:, -1]

    def _ends(self, token: int) -> bool:
        """Whether an action ends with this token."""
        return token in self._end_ids or "\n" in self.tokenizer.decode([token])

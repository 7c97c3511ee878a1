"""Decoder-only models (Llama, Qwen, GPT-2): an action continues the prompt.

A model with a chat template gets the prompt as a user's message, and its answer is the action. Of a
text that is written chunk by chunk, what stands is the beginning of the answer. This file knows no
environment and no Switcher.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM

from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.models.hf.choice import Choice
from londi.models.hf.engine import Answer
from londi.models.hf.introspection import matrix_weights
from londi.models.hf.reader import Reader, token_ids
from londi.models.hf.scoring import IGNORED, Candidates
from londi.models.hf.transformer import TransformerModel
from londi.models.hf.writing import Writing

_BEFORE = ":"
"""Text before an action in the prompts."""

_ASKING = 16
"""Tokens at the end of a prompt that hold the question and are never cut off."""

_MARK = "<text>"


class CausalModel(TransformerModel):
    """A causal language model that chooses actions; see `TransformerModel`.

    A scored action ends with the end token, or with the token that ends an assistant's turn. A
    generated action also ends with its line, since a model that was not finetuned goes on and
    writes the next observation. A reply's embedding is the last layer's state at the last token of
    the prompt.
    """

    loader = AutoModelForCausalLM

    def __init__(self, model: Any, tokenizer: Any, name: str, **settings: Any) -> None:
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        super().__init__(model, tokenizer, name, **settings)
        self._takes_positions = "position_ids" in inspect.signature(model.forward).parameters

    def flops(self, tokens: int, steps: int) -> float:
        body, attention, head = self._weights
        # The first step is that of the last token of the prompt.
        prompt = tokens * (body + tokens * attention)
        further = (steps - 1) * (body + tokens * attention)
        return 2.0 * float(prompt + further + steps * head)

    @cached_property
    def _weights(self) -> tuple[int, int, int]:
        """Weights that one token is multiplied by, multiplications of its attention to another
        token (keys and values of all layers, as wide as the states), and weights of the head.
        """
        config, head = self.model.config.get_text_config(), self.model.get_output_embeddings()
        body = matrix_weights(self.model.get_decoder(), head)
        return body, 2 * config.num_hidden_layers * config.hidden_size, head.weight.numel()

    def action_ids(self, actions: Sequence[str]) -> list[list[int]]:
        end = self._end_id
        follow = self._ids if self.tokenizer.chat_template else self._behind
        return [[*follow(action), end] for action in actions]

    def loss(self, ids: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        # Padding in front, so that an action stands right behind its prompt.
        shift = mask.shape[1] - mask.sum(1, keepdim=True)
        order = (torch.arange(mask.shape[1], device=mask.device) - shift) % mask.shape[1]
        counted = labels != IGNORED
        both = torch.cat([mask.gather(1, order), counted.long()], 1)
        seen = torch.cat([ids.gather(1, order), labels.where(counted, 0)], 1)
        out = self._forward(seen, both, logits_to_keep=labels.shape[1] + 1, use_cache=False)
        logits = out.logits[:, -labels.shape[1] - 1 : -1].flatten(0, 1)
        return functional.cross_entropy(logits, labels.flatten(), ignore_index=IGNORED)

    def _reader(self, history: int, max_tokens: int) -> Reader:
        whole = self._longest(max_tokens + self.max_new_tokens)
        most = whole - self.max_new_tokens
        return Reader(self._tokenize, history, most, self._closing(), self._text)

    def _closing(self) -> int:
        if not self.tokenizer.chat_template:
            return _ASKING
        chat = self._chat(_MARK)
        if _MARK not in chat:
            raise ModelError(
                f"model {self.tokenizer.name_or_path!r}: its chat template drops the text of a"
                " message, so that the model would never see a prompt"
            )
        return _ASKING + len(self._ids(chat.rpartition(_MARK)[2]))

    @cached_property
    def _end_id(self) -> int:
        """The token that ends an action; with a chat template, the one that ends a turn."""
        if self.tokenizer.chat_template:
            turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _MARK}]
            after = self._rendered(turns, add_generation_prompt=False).rpartition(_MARK)[2]
            first = self._ids(after.lstrip())[:1]
            if first and first[0] in self.tokenizer.added_tokens_decoder:
                return first[0]
        end: int = self.tokenizer.eos_token_id
        return end

    @cached_property
    def end_ids(self) -> list[int]:
        """The tokens that end a generated action, line breaks included."""
        texts = self.tokenizer.batch_decode([[token] for token in range(len(self.tokenizer))])
        breaks = {token for token, text in enumerate(texts) if "\n" in text}
        return sorted(breaks | set(self.stop_ids))

    @cached_property
    def stop_ids(self) -> list[int]:
        own = self.model.generation_config.eos_token_id  # none, one or several
        ends = {self.tokenizer.eos_token_id} | ({own} if isinstance(own, int) else set(own or ()))
        return [self._end_id, *sorted(ends - {self._end_id})]

    def _text(self, prompt: Prompt) -> str:
        """The text that is continued."""
        if self.tokenizer.chat_template:
            asked, begun = prompt.chat()
            return self._chat(asked) + begun
        return prompt.text() if prompt.chunk else prompt.text().rstrip()

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        chat, end = bool(self.tokenizer.chat_template), self.tokenizer.eos_token_id
        rows = token_ids(self.tokenizer, texts, special=not chat)
        # Some tokenizers add an end token of their own.
        return rows if chat else [row[:-1] if row[-1:] == [end] else row for row in rows]

    def _chat(self, text: str) -> str:
        """The text as a user's message, followed by the beginning of the answer's turn."""
        return self._rendered([{"role": "user", "content": text}], add_generation_prompt=True)

    def _rendered(self, turns: list[dict[str, str]], add_generation_prompt: bool) -> str:
        chat: str = self.tokenizer.apply_chat_template(
            turns,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            # Arguments of some templates: the action is wanted without reasoning, and an answer
            # must not depend on today's date (this one is Llama 3's default).
            enable_thinking=False,
            date_string="26 Jul 2024",
        )
        return chat

    def _behind(self, action: str) -> list[int]:
        """Token ids of an action behind a colon. Some tokenizers split a text differently at its
        start, and some have one token for a colon and a space.
        """
        before, both = self._ids(_BEFORE), self._ids(f"{_BEFORE} {action}")
        parted = both[: len(before)] == before
        return both[len(before) :] if parted else self._ids(f" {action}")

    def _ids(self, text: str) -> list[int]:
        return token_ids(self.tokenizer, [text], special=False)[0]

    def _forward(self, ids: Tensor, mask: Tensor, **more: Any) -> Any:
        """A pass over tokens `[B, T]` that are the last ones of `mask` `[B, L]`, T <= L."""
        if self._takes_positions:
            places = (mask.cumsum(1) - 1).clamp(min=0)
            more["position_ids"] = places[:, -ids.shape[1] :]
        return self.model(input_ids=ids, attention_mask=mask, **more)

    def texts(self, rows: Sequence[Sequence[int]]) -> list[str]:
        texts: list[str] = self.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return [text.partition("\n")[0] for text in texts]

    def check_room(self, prompt: int, action: int) -> None:
        whole = prompt + action
        if whole > (context := self._longest(whole)):
            raise ModelError(
                f"model {self.name!r}: an action of {action} tokens does not fit behind a prompt of"
                f" {prompt} in the context of {context}; lower max_tokens"
            )

    def room(self, prompt: int, answer: int) -> int:
        return min(answer, self._longest(prompt + answer) - prompt)

    @torch.inference_mode()
    def answer(self, prompts: Sequence[Prompt], tokens: list[list[int]]) -> list[Answer]:
        scored, generated = self.groups(prompts)
        found: list[tuple[Sequence[int], list[Choice], Tensor]] = []
        for rows, candidates in self.score_passes(prompts, tokens, scored):
            ids, mask = self._padded([tokens[row] for row in rows], front=True)
            sums, states = self.scores(ids, mask, candidates)
            found.append((rows, candidates.choices(sums), states))
        for chunk, rows in generated.items():
            ids, mask = self._padded([tokens[row] for row in rows], front=True)
            found.append((rows, *self._generate(ids, mask, self.writings.of(chunk))))
        chosen: dict[int, Answer] = {}
        for rows, choices, states in found:
            answers = zip(choices, states.float().cpu().numpy(), strict=True)
            chosen.update(zip(rows, answers, strict=True))
        return [chosen[row] for row in range(len(prompts))]

    def scores(self, ids: Tensor, mask: Tensor, candidates: Candidates) -> tuple[Tensor, Tensor]:
        """Sum over the tokens of every candidate `[N]`, and the state behind each prompt `[B, d]`.

        A prompt is read once; its candidates then run on copies of its keys and values.
        """
        row, width = candidates.row, candidates.ids.shape[1]
        if self.model._is_stateful:
            return self._whole_scores(ids, mask, candidates)
        first = self._forward(
            ids, mask, use_cache=True, output_hidden_states=True, logits_to_keep=1
        )
        logits = first.logits[row, -1:]  # [N, 1, V]
        if width > 1:
            cache = first.cache
            # Not `batch_repeat_interleave`, which not every kind of layer's cache has.
            cache.reorder_cache(row)
            own, counted = candidates.inputs(width - 1)
            seen = torch.cat([mask[row], counted], 1)
            rest = self._forward(own, seen, cache=cache, use_cache=True)
            logits = torch.cat([logits, rest.logits], 1)
        return candidates.sums(logits, self.scoring == "glam"), first.hidden_states[-1][:, -1]

    def _whole_scores(
        self, ids: Tensor, mask: Tensor, candidates: Candidates
    ) -> tuple[Tensor, Tensor]:
        """As `scores`, reading each prompt anew for each candidate: a state-space model keeps no
        keys and values that could be copied.
        """
        row, width = candidates.row, candidates.ids.shape[1]
        own, counted = candidates.inputs(width)
        whole = torch.cat([ids[row], own], 1)
        seen = torch.cat([mask[row], counted], 1)
        out = self._forward(whole, seen, use_cache=False, output_hidden_states=True)
        sums = candidates.sums(out.logits[:, -width - 1 : -1], self.scoring == "glam")
        firsts = torch.searchsorted(row, torch.arange(len(ids), device=row.device))
        return sums, out.hidden_states[-1][firsts, ids.shape[1] - 1]

    def _generate(self, ids: Tensor, mask: Tensor, writing: Writing) -> tuple[list[Choice], Tensor]:
        out = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=self.room(ids.shape[1], writing.most),
            do_sample=False,
            num_beams=1,
            pad_token_id=self.pad_id,
            eos_token_id=sorted(writing.ends),
            stopping_criteria=writing.stopping(ids.shape[1]),
            return_dict_in_generate=True,
            output_logits=True,
            output_hidden_states=True,
        )
        made = out.sequences[:, ids.shape[1] :]
        return writing.generated(made, out.logits), out.hidden_states[0][-1][:, -1]

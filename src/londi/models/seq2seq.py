"""Encoder-decoders (T5, Flan-T5) as players: all candidates of a batch in one encoder pass.

This file knows no environment and no Switcher.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import AutoModelForSeq2SeqLM
from transformers.modeling_outputs import BaseModelOutput

from londi.models.reader import Reader
from londi.models.transformer import Choice, TransformerModel
from londi.prompts import Prompt


class Seq2SeqModel(TransformerModel):
    """A seq2seq language model that chooses actions; see `TransformerModel`.

    A reply's embedding is the mean of the encoder's states.
    """

    loader = AutoModelForSeq2SeqLM

    @property
    def embedding_size(self) -> int:
        return int(self.model.config.d_model)

    def flops(self, tokens: int, steps: int) -> float:
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

    def action_ids(self, actions: Sequence[str]) -> list[list[int]]:
        return self._tokenize(list(actions))

    def loss(self, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = self.model(input_ids=ids, attention_mask=mask, labels=labels).loss
        return loss

    def _reader(self, history: int, max_tokens: int) -> Reader:
        longest = getattr(self.model.config, "max_position_embeddings", None) or max_tokens
        return Reader(self._tokenize, history, min(max_tokens, longest))

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(texts, verbose=False)["input_ids"]
        return ids

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
    ) -> list[tuple[Choice, np.ndarray]]:
        states, mask = self._encode(tokens)
        weights = mask.unsqueeze(-1).to(states.dtype)
        pooled = ((states * weights).sum(1) / weights.sum(1)).float().cpu().numpy()
        chosen: dict[int, Choice] = {}
        for actions, rows in self._groups(prompts).items():
            if actions:
                found = self._best(self.scores(states[rows], mask[rows], actions), actions)
            else:
                found = self._generate(states[rows], mask[rows])
            chosen.update(zip(rows, found, strict=True))
        return [(chosen[row], vector) for row, vector in enumerate(pooled)]

    def scores(
        self, states: torch.Tensor, mask: torch.Tensor, actions: tuple[str, ...]
    ) -> torch.Tensor:
        """Score of every candidate `[B, C]`.

        The start token is decoded once a prompt, which also computes the keys and values of
        the encoder states once; the candidates' own tokens then run on copies of that cache.
        """
        ids = self._candidate_ids(actions)  # [C, T]
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
        return self._sums(logits, ids)

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
        made = out.sequences[:, 1:]
        lengths = (made != self.tokenizer.pad_token_id).sum(1).tolist()
        return self._generated(texts, made, out.logits, lengths)

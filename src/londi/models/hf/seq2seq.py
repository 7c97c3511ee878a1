"""Encoder-decoder models (T5, Flan-T5): one encoder pass serves all candidates of a batch.

This file knows no environment and no Switcher.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from transformers import AutoModelForSeq2SeqLM
from transformers.modeling_outputs import BaseModelOutput

from londi.envs.prompt import Prompt
from londi.models.hf.choice import Choice
from londi.models.hf.engine import Answer
from londi.models.hf.introspection import matrix_weights
from londi.models.hf.reader import Reader, token_ids
from londi.models.hf.scoring import Candidates
from londi.models.hf.transformer import TransformerModel
from londi.models.hf.writing import Writing


class _Weights(NamedTuple):
    """Weights that one token is multiplied by, and the shape of the attention to the prompt.

    Attributes:
        encoder: weights for a token of the prompt, in the encoder.
        crossing: weights for a token of the prompt, for the decoder's keys and values.
        decoder: weights for a step of the decoder, the head included.
        width: width of a state.
        inner: width of all heads of a layer together.
        layers: layers of the encoder.
    """

    encoder: int
    crossing: int
    decoder: int
    width: int
    inner: int
    layers: int


class Seq2SeqModel(TransformerModel):
    """A seq2seq language model that chooses actions; see `TransformerModel`.

    A reply's embedding is the mean of the encoder's states.
    """

    loader = AutoModelForSeq2SeqLM

    def flops(self, tokens: int, steps: int) -> float:
        weights = self._weights
        encoder = tokens * weights.encoder + 2 * tokens**2 * weights.inner * weights.layers
        crossing = tokens * weights.crossing
        decoder = steps * (weights.decoder + tokens * weights.crossing / weights.width)
        return 2.0 * float(encoder + crossing + decoder)

    @cached_property
    def _weights(self) -> _Weights:
        head = self.model.get_output_embeddings()
        encoder, decoder = self.model.get_encoder(), self.model.get_decoder()
        # Keys and values of the prompt are computed once for all steps.
        across = [
            part.weight
            for name, part in decoder.named_modules()
            if re.search(r"(EncDecAttention|encoder_attn)\.[kv](_proj)?$", name)
        ]
        crossing, width = sum(weight.numel() for weight in across), across[0].shape[1]
        return _Weights(
            encoder=matrix_weights(encoder, head),
            decoder=matrix_weights(decoder, head) - crossing + head.weight.numel(),
            crossing=crossing,
            width=width,
            inner=across[0].shape[0],
            layers=self.model.config.num_hidden_layers,
        )

    def action_ids(self, actions: Sequence[str]) -> list[list[int]]:
        return self._tokenize(list(actions))

    def loss(self, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = self.model(input_ids=ids, attention_mask=mask, labels=labels).loss
        return loss

    def _reader(self, history: int, max_tokens: int) -> Reader:
        return Reader(self._tokenize, history, self._longest(max_tokens))

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        return token_ids(self.tokenizer, texts, special=True)

    @torch.inference_mode()
    def _encode(self, tokens: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Encoder states `[B, L, d]` and the mask `[B, L]` of the tokens that count."""
        ids, mask = self._padded(tokens, front=False)
        encoder = self.model.get_encoder()
        return encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask

    @property
    def end_ids(self) -> list[int]:
        own = self.model.generation_config.eos_token_id  # none, one or several
        return [own] if isinstance(own, int) else list(own or ())

    @property
    def stop_ids(self) -> list[int]:
        return self.end_ids

    def texts(self, rows: Sequence[Sequence[int]]) -> list[str]:
        texts: list[str] = self.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return texts

    @torch.inference_mode()
    def answer(self, prompts: Sequence[Prompt], tokens: list[list[int]]) -> list[Answer]:
        states, mask = self._encode(tokens)
        weights = mask.unsqueeze(-1).to(states.dtype)
        pooled = ((states * weights).sum(1) / weights.sum(1)).float().cpu().numpy()
        chosen: dict[int, Choice] = {}
        scored, generated = self.groups(prompts)
        for rows, candidates in self.score_passes(prompts, tokens, scored):
            found = candidates.choices(self.scores(states[rows], mask[rows], candidates))
            chosen.update(zip(rows, found, strict=True))
        for chunk, rows in generated.items():
            found = self._generate(states[rows], mask[rows], self.writings.of(chunk))
            chosen.update(zip(rows, found, strict=True))
        return [(chosen[row], vector) for row, vector in enumerate(pooled)]

    def scores(
        self, states: torch.Tensor, mask: torch.Tensor, candidates: Candidates
    ) -> torch.Tensor:
        """Sum over the tokens of every candidate `[N]`.

        The start token is decoded once a prompt, which also computes the keys and values of
        the encoder states once; the candidates' own tokens then run on copies of that cache.
        """
        row, width = candidates.row, candidates.ids.shape[1]
        start = self.model.config.decoder_start_token_id
        first = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=mask,
            decoder_input_ids=torch.full((len(states), 1), start, device=states.device),
            use_cache=True,
        )
        logits: torch.Tensor = first.logits[row]  # [N, 1, V]
        if width > 1:
            cache = first.cache
            cache.reorder_cache(row)
            own, _ = candidates.inputs(width - 1)
            rest = self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=states[row]),
                attention_mask=mask[row],
                decoder_input_ids=own,
                cache=cache,
                use_cache=True,
            )
            logits = torch.cat([logits, rest.logits], 1)
        return candidates.sums(logits, self.scoring == "glam")

    def _generate(self, states: torch.Tensor, mask: torch.Tensor, writing: Writing) -> list[Choice]:
        out = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=mask,
            max_new_tokens=writing.most,
            do_sample=False,
            num_beams=1,
            stopping_criteria=writing.stopping(1),
            return_dict_in_generate=True,
            output_logits=True,
        )
        return writing.generated(out.sequences[:, 1:], out.logits)

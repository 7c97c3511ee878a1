"""The forward passes of a model that are exported: `Read` and `Decode`, for each kind of model.

`Read` turns prompts into keys and values. `Decode` runs a tree of tokens behind them, as
`tree.TokenTree` describes it: candidates, or the text generated so far. This file knows the models
of transformers. It does not know ONNX.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from londi.errors import ModelError

MASKED = -1e9
"""Added to the attention to a token that is not seen."""

Output = Literal["score", "next"]
"""Result of `Decode`: log-probabilities of given tokens, or the likeliest next token."""


class Forward(NamedTuple):
    """The forward passes of one model.

    Attributes:
        model: the model.
        read: reads prompts.
        decode: decodes behind them, by what is asked for.
        root: the token before every action; None for the last token of each prompt.
    """

    model: PreTrainedModel
    read: Read
    decode: Mapping[Output, Decode]
    root: int | None


def forward_of(model: PreTrainedModel, longest: int, raw: bool) -> Forward:
    """The forward passes of `model`.

    Args:
        model: the model.
        longest: most tokens of a prompt and an action together.
        raw: score by logits in place of log-probabilities.

    Raises:
        ModelError: if a tree of tokens cannot be decoded by a model of this kind.
    """
    config = model.generation_config
    if config.forced_bos_token_id is not None or config.forced_eos_token_id is not None:
        raise ModelError("it forces tokens on what it generates")
    if model._is_stateful:
        raise ModelError("it keeps a state in place of keys and values")
    text = model.config.get_text_config()
    for bound in ("sliding_window", "attention_chunk_size"):
        seen = getattr(text, bound, None)
        if seen is not None and seen < longest and getattr(text, "use_sliding_window", True):
            raise ModelError(
                f"a token of it sees {seen} tokens before it, and a prompt has up to {longest}"
            )
    rope = (getattr(text, "rope_parameters", None) or {}).get("rope_type", "default")
    if rope in ("dynamic", "longrope"):
        raise ModelError(f"its positions ({rope}) depend on the length of a text")
    seq2seq = model.config.is_encoder_decoder
    if not seq2seq and "position_ids" not in inspect.signature(model.forward).parameters:
        raise ModelError("the positions of its tokens cannot be given")
    read, decode = (ReadSeq2Seq, DecodeSeq2Seq) if seq2seq else (ReadCausal, DecodeCausal)
    outputs: tuple[Output, ...] = ("score", "next")
    return Forward(
        model,
        read(model),
        {output: decode(model, output, raw) for output in outputs},
        model.config.decoder_start_token_id if seq2seq else None,
    )


class Read(nn.Module):
    """Reads prompts: `(ids [B, L], mask [B, L]) -> keys and values, embedding [B, d]`.

    The embedding is left out where `Decode` has it.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model


class ReadSeq2Seq(Read):
    """Runs the encoder; keys and values are those of the decoder's attention to the prompt."""

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        encoder, decoder = self.model.get_encoder(), self.model.get_decoder()
        states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(1).to(states.dtype)  # [B, 1, L]
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        # The token does not matter: only what the decoder makes of the prompt is kept.
        decoder(
            input_ids=ids[:, :1],
            encoder_hidden_states=states,
            encoder_attention_mask=mask,
            cache=cache,
            use_cache=True,
        )
        # A product, because sums over a padded axis come out otherwise with another batch size.
        embedding = ((weights @ states) / weights.sum(-1, keepdim=True)).squeeze(1)
        return *_flat(cache.cross_attention_cache), embedding


class ReadCausal(Read):
    """Runs the decoder over prompts without their last token, which is the root of the tree."""

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        cache = DynamicCache()
        self.model.get_decoder()(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            cache=cache,
            use_cache=True,
        )
        return tuple(_flat(cache))


class Decode(nn.Module):
    """Decodes a tree of tokens behind prompts.

    Its inputs are `mask [B, L]` of the prompts, `nodes [B, N]`, `depth [N]`, `seen [N, N]`,
    `place [P]` and `token [P]` of the tree, and what `Read` made of the prompts.

    Args:
        model: the model.
        output: ``"score"`` gives the log-probability of each scored token `[B, P]`; ``"next"``
            gives the likeliest token behind the last node `[B]` and its log-probability `[B]`.
        raw: give logits in place of log-probabilities.
    """

    def __init__(self, model: PreTrainedModel, output: Output, raw: bool) -> None:
        super().__init__()
        self.model, self.output, self.raw = model, output, raw

    def run(self, **given: object) -> Any:
        """The model's outputs; of the nodes only the last has logits where no other is needed."""
        if self.output == "score":
            return self.model(**given)
        head = self.model.get_output_embeddings()
        last = head.register_forward_pre_hook(lambda _, states: (states[0][:, -1:],))
        try:
            return self.model(**given)
        finally:
            last.remove()

    def found(self, logits: Tensor, place: Tensor, token: Tensor) -> tuple[Tensor, ...]:
        """The result, from logits `[B, N, V]` behind each node."""
        if self.output == "next":
            logprob, best = logits[:, -1].log_softmax(-1).max(-1)
            return best, logprob
        values = logits if self.raw else logits.log_softmax(-1)
        return (values[:, place, token],)


class DecodeSeq2Seq(Decode):
    """Decodes with the attention to the prompt computed already.

    Raises:
        ModelError: if the positions of the decoder's tokens cannot be set: they can be where they
            are relative and come from `compute_bias`, as in T5 and its kin.
    """

    def __init__(self, model: PreTrainedModel, output: Output, raw: bool) -> None:
        super().__init__(model, output, raw)
        parts = model.get_decoder().modules()
        self._biased = [part for part in parts if getattr(part, "has_relative_attention_bias", 0)]
        if not self._biased:
            raise ModelError("the positions of its decoder are not relative, as T5's are")

    def forward(
        self,
        mask: Tensor,
        nodes: Tensor,
        depth: Tensor,
        seen: Tensor,
        place: Tensor,
        token: Tensor,
        *read: Tensor,
    ) -> tuple[Tensor, ...]:
        attention = _added(seen).expand(nodes.shape[0], 1, -1, -1)
        # The decoder reads only the shape of the encoder's states, since all else is in the cache.
        states = torch.zeros(mask.shape[0], mask.shape[1], 1)
        with _relative_to(depth, self._biased):
            out = self.run(
                encoder_outputs=BaseModelOutput(last_hidden_state=states),
                attention_mask=mask,
                decoder_input_ids=nodes,
                decoder_attention_mask=attention,
                cache=EncoderDecoderCache(DynamicCache(), DynamicCache(_by_layer(read))),
                use_cache=True,
            )
        return self.found(out.logits, place, token)


class DecodeCausal(Decode):
    """Decodes behind the keys and values of a prompt; the last result is the root's state."""

    def forward(
        self,
        mask: Tensor,
        nodes: Tensor,
        depth: Tensor,
        seen: Tensor,
        place: Tensor,
        token: Tensor,
        *read: Tensor,
    ) -> tuple[Tensor, ...]:
        rows, count = nodes.shape
        prompt = _added(mask.bool())[:, None, None].expand(-1, 1, count, -1)
        tree = _added(seen).expand(rows, 1, -1, -1)
        out = self.run(
            input_ids=nodes,
            attention_mask=torch.cat([prompt, tree], -1),
            position_ids=mask.sum(1, keepdim=True) + depth,
            cache=DynamicCache(_by_layer(read)),
            use_cache=True,
            output_hidden_states=True,
        )
        return *self.found(out.logits, place, token), out.hidden_states[-1][:, 0]


@contextmanager
def _relative_to(depth: Tensor, attentions: Iterable[nn.Module]) -> Iterator[None]:
    """Let relative positions be differences of `depth`, in place of differences of places."""
    steps = (depth[:, None] - depth[None]).clamp(min=0)  # [N, N]

    def bias_of(plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def compute_bias(query_length: int, key_length: int, **options: object) -> Tensor:
            whole = plain(query_length, key_length, **options)  # [1, H, N, N]
            return whole[:, :, :, 0][:, :, steps]  # by the distance from the first place

        return compute_bias

    changed: list[Any] = list(attentions)
    for attention in changed:
        attention.compute_bias = bias_of(attention.compute_bias)
    try:
        yield
    finally:
        for attention in changed:
            del attention.compute_bias  # the class has its own


def _flat(cache: Any) -> list[Tensor]:
    return [part for layer in cache.layers for part in (layer.keys, layer.values)]


def _by_layer(parts: tuple[Tensor, ...]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(parts[::2], parts[1::2], strict=True))


def _added(seen: Tensor) -> Tensor:
    return torch.where(seen, 0.0, MASKED)

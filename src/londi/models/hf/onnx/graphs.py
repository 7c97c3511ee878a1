"""The forward passes of a model that are exported, for each kind of model.

`Read` turns prompts into keys and values. `Decode` runs a tree of tokens behind them, as
`tree.TokenTree` describes it: candidates, or the text generated so far. `Score` is both in one.
This file knows the models of transformers. It does not know ONNX.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from londi.errors import ModelError
from londi.models.hf.onnx.bias import RelativeBias

MASKED = -1e9
"""Added to the attention to a token that is not seen."""

Output = Literal["score", "next"]
"""Result of `Decode`: log-probabilities of given tokens, or the likeliest next token."""


class Forward(NamedTuple):
    """The forward passes of one model.

    Attributes:
        model: the model.
        score: reads prompts, and scores candidates behind them.
        read: reads prompts.
        next: gives the likeliest token behind them.
        root: the token before every action; None for the last token of each prompt.
    """

    model: PreTrainedModel
    score: Score
    read: Read
    next: Decode
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
    read: Read
    decode: Callable[[Output], Decode]
    if seq2seq:
        read = ReadSeq2Seq(model, longest)
        decode = partial(DecodeSeq2Seq, model, longest=longest, raw=raw, whole=read.bias.whole)
    else:
        read = ReadCausal(model)
        decode = partial(DecodeCausal, model, raw=raw)
    root = model.config.decoder_start_token_id if seq2seq else None
    return Forward(model, Score(read, decode("score")), read, decode("next"), root)


class Read(nn.Module):
    """Reads prompts: `(ids [B, L], mask [B, L]) -> keys and values, embedding [B, d]`.

    The embedding is left out where `Decode` gives it.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model


class ReadSeq2Seq(Read):
    """Runs the encoder; keys and values are those of the decoder's attention to the prompt."""

    def __init__(self, model: PreTrainedModel, longest: int) -> None:
        super().__init__(model)
        self.bias = RelativeBias(model.get_encoder(), longest)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        encoder, decoder = self.model.get_encoder(), self.model.get_decoder()
        seen = _seen(mask, self.bias.whole)
        with self.bias.at(torch.arange(ids.shape[1])):
            states = encoder(input_ids=ids, attention_mask=seen).last_hidden_state
        weights = mask.unsqueeze(1).to(states.dtype)  # [B, 1, L]
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        # The token does not matter: only what the decoder makes of the prompt is kept.
        decoder(
            input_ids=ids[:, :1],
            encoder_hidden_states=states,
            encoder_attention_mask=seen,
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
    """Decodes trees of tokens behind prompts.

    Its inputs are `mask [B, L]` of the prompts, those of the trees as `tree.tree_inputs` makes them
    (`nodes [B, N]`, `depth [R, N]`, `seen [R, N, N]`, `place [B, P]`, `token [R, P]`, where R is 1
    or B), and what `Read` made of the prompts.

    Args:
        model: the model.
        output: ``"score"`` gives the log-probability of each scored token `[B, P]`; ``"next"``
            gives the likeliest token behind the last node `[B]` and its log-probability `[B]`.
        raw: give logits in place of log-probabilities.
    """

    def __init__(self, model: PreTrainedModel, output: Output, *, raw: bool) -> None:
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
        # One index into all values: several would have the graph transpose them.
        return (values.flatten()[place * values.shape[2] + token],)


class DecodeSeq2Seq(Decode):
    """Decodes with the attention to the prompt computed already.

    Args:
        model, output, raw: see `Decode`.
        longest: most tokens of an action.
        whole: the encoder sees all of a prompt.

    Raises:
        ModelError: if the positions of the decoder's tokens cannot be set: they can be where they
            are relative and come from `compute_bias`, as in T5 and its kin.
    """

    def __init__(
        self, model: PreTrainedModel, output: Output, *, raw: bool, longest: int, whole: bool
    ) -> None:
        super().__init__(model, output, raw=raw)
        self._bias, self._whole = RelativeBias(model.get_decoder(), longest), whole
        if not self._bias.whole:
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
        # The decoder reads only the shape of the encoder's states, since all else is in the cache.
        states = torch.zeros(mask.shape[0], mask.shape[1], 1)
        with self._bias.at(depth):
            out = self.run(
                encoder_outputs=BaseModelOutput(last_hidden_state=states),
                attention_mask=_seen(mask, self._whole),
                decoder_input_ids=nodes,
                decoder_attention_mask=_added(seen)[:, None],
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
        tree = _added(seen)[:, None].expand(rows, -1, -1, -1)
        out = self.run(
            input_ids=nodes,
            attention_mask=torch.cat([prompt, tree], -1),
            position_ids=mask.sum(1, keepdim=True) + depth,
            cache=DynamicCache(_by_layer(read)),
            use_cache=True,
            output_hidden_states=True,
        )
        return *self.found(out.logits, place, token), out.hidden_states[-1][:, 0]


class Score(nn.Module):
    """Reads prompts and scores candidates behind them, in one graph.

    Its inputs are `ids [B, L]` and those of `Decode`. It gives what `Decode` gives, and the
    embedding of each prompt `[B, d]` last.
    """

    def __init__(self, read: Read, decode: Decode) -> None:
        super().__init__()
        self.model, self.read, self.decode = read.model, read, decode

    def forward(self, ids: Tensor, mask: Tensor, *tree: Tensor) -> tuple[Tensor, ...]:
        read = self.read(ids, mask)
        keys = len(read) // 2 * 2
        return (*self.decode(mask, *tree, *read[:keys]), *read[keys:])


def _seen(mask: Tensor, whole: bool) -> Tensor:
    """The mask `[B, L]` as what is added to the attention; as it is where a stack needs it so."""
    return _added(mask.bool())[:, None, None] if whole else mask


def _flat(cache: Any) -> list[Tensor]:
    return [part for layer in cache.layers for part in (layer.keys, layer.values)]


def _by_layer(parts: tuple[Tensor, ...]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(parts[::2], parts[1::2], strict=True))


def _added(seen: Tensor) -> Tensor:
    return torch.where(seen, 0.0, MASKED)

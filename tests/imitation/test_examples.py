"""Demonstrations as batches of tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice, pairwise

import numpy as np
import torch

from londi.imitation.demonstrations import Demonstration
from londi.imitation.examples import Examples
from londi.models.hf.scoring import IGNORED
from londi.models.hf.seq2seq import Seq2SeqModel

MakeLM = Callable[..., Seq2SeqModel]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
PAD = 7
"""What pads a prompt here: a token that prompts hold as well."""


def taken(batch: Batch) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The token ids of prompt and action of each row, without padding."""
    ids, mask, labels = batch
    return [
        (tuple(row[seen == 1].tolist()), tuple(label[label != IGNORED].tolist()))
        for row, seen, label in zip(ids, mask, labels, strict=True)
    ]


def expected(
    lm: Seq2SeqModel, episodes: list[Demonstration]
) -> Counter[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Prompts and actions, each tokenised alone."""
    pairs = [pair for episode in episodes for pair in episode.examples(lm.history)]
    read = [
        (tuple(lm.tokenizer(prompt.text())["input_ids"]), tuple(lm.tokenizer(action)["input_ids"]))
        for prompt, action in pairs
    ]
    return Counter(read)


def made(lm: Seq2SeqModel, episodes: list[Demonstration]) -> Examples:
    examples = Examples()
    examples.add(lm, episodes)
    return examples


def test_each_example_is_served_once_a_round(
    make_lm: MakeLM, demonstrations: list[Demonstration]
) -> None:
    lm = make_lm()
    examples = made(lm, demonstrations)
    assert len(examples) == sum(expected(lm, demonstrations).values())
    size = 8
    batches = examples.batches(size, np.random.default_rng(0), PAD)
    rounds = [list(islice(batches, -(-len(examples) // size))) for _ in range(2)]
    for served in rounds:
        rows = [row for batch in served for row in taken(batch)]
        assert Counter(rows) == expected(lm, demonstrations)
        assert sorted(map(len, map(taken, served)))[1:] == [size] * (len(served) - 1)
    assert [taken(batch) for batch in rounds[0]] != [taken(batch) for batch in rounds[1]]


def test_what_is_padded_does_not_count(
    make_lm: MakeLM, demonstrations: list[Demonstration]
) -> None:
    examples = made(make_lm(), demonstrations)
    for ids, mask, labels in islice(examples.batches(5, np.random.default_rng(0), PAD), 6):
        assert ids.shape == mask.shape and ids.shape[1] == int(mask.sum(1).max())
        assert len(labels) == len(ids) and bool((labels != IGNORED).any(0).all())
        assert bool((ids[mask == 0] == PAD).all())
        # Behind: once a row has begun to pad, nothing follows.
        assert bool((mask.diff(dim=1) <= 0).all())
        assert {tensor.dtype for tensor in (ids, mask, labels)} == {torch.int64}


def test_prompts_of_a_batch_are_of_similar_length(
    make_lm: MakeLM, demonstrations: list[Demonstration]
) -> None:
    examples = made(make_lm(), demonstrations)
    size = 4
    served = list(islice(examples.batches(size, np.random.default_rng(0), PAD), len(examples) // 4))
    spans = sorted((int(m.sum(1).min()), int(m.sum(1).max())) for _, m, _ in served)
    assert len({low for low, _ in spans}) > 2
    assert all(high <= low for (_, high), (low, _) in pairwise(spans))


def test_examples_are_shuffled_before_they_are_sorted_by_length(
    make_lm: MakeLM, demonstrations: list[Demonstration]
) -> None:
    """The examples that are sorted together are not always the same ones."""
    examples = made(make_lm(), demonstrations * 3)
    assert len(examples) > Examples.POOL + 5

    def pool(seed: int) -> Counter[object]:
        batches = examples.batches(1, np.random.default_rng(seed), PAD)
        return Counter(row for batch in islice(batches, Examples.POOL) for row in taken(batch))

    assert pool(0) != pool(1)


def test_batches_follow_the_seed(make_lm: MakeLM, demonstrations: list[Demonstration]) -> None:
    examples = made(make_lm(), demonstrations)

    def first(seed: int) -> list[object]:
        batches = examples.batches(4, np.random.default_rng(seed), PAD)
        return [taken(batch) for batch in islice(batches, 3)]

    assert first(0) == first(0) != first(1)


def test_more_episodes_are_added_to_the_others(
    make_lm: MakeLM, demonstrations: list[Demonstration]
) -> None:
    lm = make_lm(history=1)
    examples = made(lm, demonstrations[:2])
    before = len(examples)
    examples.add(lm, [])
    assert len(examples) == before
    examples.add(lm, demonstrations[2:])
    batches = examples.batches(len(examples), np.random.default_rng(0), PAD)
    assert Counter(taken(next(batches))) == expected(lm, demonstrations)

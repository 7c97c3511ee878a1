"""Candidates as a prefix tree."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from londi.models.hf.onnx.tree import TokenTree


def test_a_shared_beginning_stands_once() -> None:
    tree = TokenTree.of([[5, 6, 1], [5, 7, 1], [8, 1]])
    assert tree.nodes.tolist() == [0, 5, 6, 7, 8]  # the root, then 5 for two candidates
    assert tree.depth.tolist() == [0, 1, 2, 2, 1]
    assert tree.seen.astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 0],
        [1, 0, 0, 0, 1],
    ]
    assert tree.place.tolist() == [0, 1, 2, 0, 1, 3, 0, 4]
    assert tree.token.tolist() == [5, 6, 1, 5, 7, 1, 8, 1]
    assert tree.owner.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]


def test_sums_are_of_each_candidates_tokens() -> None:
    tree = TokenTree.of([[5, 6], [5], [7, 8]])
    values = np.array([[1, 2, 4, 8, 16], [0, 1, 0, 0, 0]], np.float32)
    assert tree.sums(values, 3).tolist() == [[3, 4, 24], [1, 0, 0]]


def test_a_candidate_may_stand_twice_or_be_the_beginning_of_another() -> None:
    tree = TokenTree.of([[5, 6], [5, 6], [5]])
    assert tree.nodes.tolist() == [0, 5]
    assert tree.sums(np.ones((1, 5), np.float32), 3).tolist() == [[2, 2, 1]]


def test_a_chain_sees_all_before_it() -> None:
    chain = TokenTree.chain(3)
    assert chain.depth.tolist() == [0, 1, 2]
    assert chain.seen.astype(int).tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=5), min_size=1, max_size=8))
def test_every_token_is_scored_behind_its_own_beginning(candidates: list[list[int]]) -> None:
    tree = TokenTree.of(candidates)
    found: list[list[int]] = [[] for _ in candidates]
    for place, token, owner in zip(tree.place, tree.token, tree.owner, strict=True):
        above = [int(tree.nodes[k]) for k in np.flatnonzero(tree.seen[place])]
        assert above == [0, *found[owner]]  # in order: a parent stands before its children
        assert tree.depth[place] == len(found[owner])
        found[owner].append(int(token))
    assert found == candidates
    beginnings = {tuple(c[:k]) for c in candidates for k in range(1, len(c))}
    assert len(tree.nodes) == 1 + len(beginnings)

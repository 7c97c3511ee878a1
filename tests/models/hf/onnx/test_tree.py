"""Candidates as a prefix tree."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from londi.models.hf.onnx.tree import TokenTree, tree_inputs


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


LISTS = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=5), min_size=1, max_size=8)


@given(LISTS)
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


@given(st.lists(LISTS, min_size=2, max_size=4))
def test_trees_beside_each_other_are_each_as_alone(lists: list[list[list[int]]]) -> None:
    trees = [TokenTree.of(own) for own in lists]
    roots = np.arange(100, 100 + len(trees))
    found = tree_inputs(trees, roots)
    width = found["nodes"].shape[1]
    assert width == max(len(tree.nodes) for tree in trees)
    for row, tree in enumerate(trees):
        alone = tree_inputs([tree], roots[row : row + 1])
        own, count = len(tree.nodes), len(tree.place)
        for name in ("nodes", "depth"):
            np.testing.assert_array_equal(found[name][row, :own], alone[name][0])
        np.testing.assert_array_equal(found["seen"][row, :own, :own], alone["seen"][0])
        np.testing.assert_array_equal(found["token"][row, :count], alone["token"][0])
        np.testing.assert_array_equal(found["place"][row, :count], alone["place"][0] + row * width)
        assert not found["seen"][row, :own, own:].any(), "no node sees padding"
        assert found["seen"][row].any(1).all(), "padding sees itself, or softmax were nothing"


def test_one_tree_serves_all_prompts() -> None:
    tree = TokenTree.of([[5, 6, 1], [8, 1]])
    found = tree_inputs([tree], np.array([100, 101]))
    assert found["nodes"][:, 0].tolist() == [100, 101]
    assert found["seen"].shape[0] == found["depth"].shape[0] == found["token"].shape[0] == 1
    assert (found["place"][1] - found["place"][0]).tolist() == [len(tree.nodes)] * len(tree.place)


def test_values_of_padding_are_left_out_of_sums() -> None:
    tree = TokenTree.of([[5, 6], [5]])
    assert tree.sums(np.array([[1, 2, 4, 8]], np.float32), 2).tolist() == [[3, 4]]

"""Candidates as a prefix tree of tokens, so that a beginning they share is decoded once.

This file knows token ids, and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from londi.types import Array


@dataclass(frozen=True, slots=True)
class TokenTree:
    """A prefix tree over N nodes, and the P tokens that are scored in it.

    The root is the token before all candidates, which differs between prompts: its id stands as 0.

    Attributes:
        nodes: token id of each node, int64 `[N]`.
        depth: number of nodes above each node, int64 `[N]`.
        seen: whether the node of a row attends to that of a column: itself and those above it
            `[N, N]`.
        place: the node before each scored token, int64 `[P]`.
        token: id of each scored token, int64 `[P]`.
        owner: the candidate of each scored token, int64 `[P]`.
    """

    nodes: Array
    depth: Array
    seen: Array
    place: Array
    token: Array
    owner: Array

    @classmethod
    def of(cls, candidates: Sequence[Sequence[int]]) -> Self:
        """The tree of these candidates, each a list of token ids."""
        nodes, above = [0], [-1]
        children: dict[tuple[int, int], int] = {}
        scored: list[tuple[int, int, int]] = []
        for owner, tokens in enumerate(candidates):
            node = 0
            for position, token in enumerate(tokens):
                scored.append((node, token, owner))
                if position + 1 == len(tokens):
                    break  # nothing follows the last token, so it needs no node
                if (node, token) not in children:
                    children[node, token] = len(nodes)
                    nodes.append(token)
                    above.append(node)
                node = children[node, token]
        seen = np.eye(len(nodes), dtype=bool)
        for node in range(1, len(nodes)):  # a parent stands before its children
            seen[node] |= seen[above[node]]
        place, token_ids, owners = np.array(scored, np.int64).reshape(-1, 3).T.copy()
        return cls(np.array(nodes, np.int64), seen.sum(1) - 1, seen, place, token_ids, owners)

    @classmethod
    def chain(cls, length: int) -> Self:
        """The tree of one text: `length` nodes in a row, each of which sees those before it."""
        none = np.zeros(0, np.int64)
        seen = np.tri(length, dtype=bool)
        return cls(np.zeros(length, np.int64), np.arange(length), seen, none, none, none)

    def sums(self, values: Array, candidates: int) -> Array:
        """Sums `[B, C]` over the tokens of each candidate, of one value a scored token `[B, P]`;
        values of padding may follow.
        """
        total = np.zeros((len(values), candidates), np.float32)
        np.add.at(total.T, self.owner, values.T[: len(self.owner)])
        return total


def tree_inputs(trees: Sequence[TokenTree], roots: Array) -> dict[str, Array]:
    """The inputs of a graph that decodes trees behind B prompts.

    They are `nodes [B, N]`, `depth [R, N]`, `seen [R, N, N]`, `place [B, P]` and `token [R, P]`;
    `place` counts the nodes of all rows. A tree of fewer nodes is padded with nodes that no other
    one sees.

    Args:
        trees: R of them: one for all prompts, or one for each.
        roots: the token before all candidates, of each prompt `[B]`.
    """
    rows, width = len(roots), max(len(tree.nodes) for tree in trees)
    if len(trees) == 1:
        (tree,) = trees
        depth, seen = tree.depth[None], tree.seen[None]
        nodes, place, token = np.tile(tree.nodes, (rows, 1)), tree.place[None], tree.token[None]
    else:
        scored = max(len(tree.place) for tree in trees)
        nodes, depth = np.zeros((2, rows, width), np.int64)
        place, token = np.zeros((2, rows, scored), np.int64)
        seen = np.tile(np.eye(width, dtype=bool), (rows, 1, 1))
        for row, tree in enumerate(trees):
            own, count = len(tree.nodes), len(tree.place)
            nodes[row, :own], depth[row, :own] = tree.nodes, tree.depth
            seen[row, :own, :own] = tree.seen
            place[row, :count], token[row, :count] = tree.place, tree.token
    nodes[:, 0] = roots
    place = place + width * np.arange(rows)[:, None]
    return {"nodes": nodes, "depth": depth, "seen": seen, "place": place, "token": token}

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

    def inputs(self) -> dict[str, Array]:
        """The inputs of a graph that say how the nodes stand to each other, and what is scored."""
        return {
            "depth": self.depth,
            "seen": self.seen,
            "place": self.place,
            "token": self.token,
        }

    def sums(self, values: Array, candidates: int) -> Array:
        """Sums `[B, C]` over the tokens of each candidate, of one value a scored token `[B, P]`."""
        total = np.zeros((len(values), candidates), np.float32)
        np.add.at(total.T, self.owner, values.T)
        return total

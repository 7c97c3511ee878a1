"""Actions chosen with ONNX Runtime: candidates are scored, or a text is generated greedily.

This file knows what the graphs take and give. It does not know how they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, partial

import numpy as np
import onnxruntime
import torch

from londi.envs.prompt import Prompt
from londi.models.hf.choice import Choice, best
from londi.models.hf.engine import Answer
from londi.models.hf.onnx.export import export_next, export_read, export_score, stored
from londi.models.hf.onnx.graphs import Forward
from londi.models.hf.onnx.tree import TokenTree
from londi.models.hf.reader import padded
from londi.models.hf.transformer import KEPT, Asked, TransformerModel
from londi.models.hf.writing import Writing
from londi.types import Array

Arrays = dict[str, Array]

ALIGNED = 4
"""Prompts are padded to a multiple of this number of tokens. The kernels add up as many products at
a time, so that an answer is the same to the bit whatever stands beside it in a batch."""

PASS = 96
"""Tokens that take about as long as the overhead of one more pass, in small models."""


class Session:
    """One graph, ready to run on the CPU with as many threads as torch uses.

    Args:
        graph: in ONNX's format.
    """

    def __init__(self, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [given.name for given in self._session.get_inputs()]
        self._outputs = [found.name for found in self._session.get_outputs()]

    def run(self, given: Mapping[str, Array]) -> Arrays:
        """The outputs by name; `given` may hold more than the graph's inputs."""
        found = self._session.run(None, {name: given[name] for name in self._inputs})
        return dict(zip(self._outputs, found, strict=True))


class OnnxEngine:
    """The answers of a model, computed by ONNX Runtime.

    Graphs are made when they are first needed.

    Args:
        model: the model; it stays unchanged.
        forward: its forward passes.
    """

    name = "onnx"

    def __init__(self, model: TransformerModel, forward: Forward) -> None:
        self._model, self._forward = model, forward
        self._key = model.fingerprint
        # What it knows of a list of actions, for as many lists as the model itself.
        self._scored = lru_cache(KEPT)(self._tree)
        self._chain = lru_cache(KEPT)(TokenTree.chain)

    def answer(self, prompts: Sequence[Prompt], tokens: list[list[int]]) -> list[Answer]:
        """A choice for each prompt, and its embedding; see `TransformerModel.answer`."""
        answers: dict[int, Answer] = {}
        for asked, rows in self._model.groups(prompts).items():
            for part in _alike([len(tokens[row]) for row in rows]):
                found = self._together([tokens[row] for row in rows[part]], asked)
                answers.update(zip(rows[part], found, strict=True))
        return [answers[row] for row in range(len(prompts))]

    def _together(self, tokens: list[list[int]], asked: Asked) -> Iterator[Answer]:
        """The answers to prompts of about one length, with the same actions and bounds."""
        actions, chunk = asked
        longest = max(map(len, tokens))
        root = self._forward.root
        roots = np.array([row[-1] if root is None else root for row in tokens], np.int64)
        shown = [row[:-1] for row in tokens] if root is None else tokens
        ids, mask = padded(shown, self._model.pad_id, front=False, multiple=ALIGNED)
        read = {"ids": ids, "mask": mask}
        if actions:
            choices, embedding = self._best(read, roots, actions, longest)
        else:
            choices, embedding = self._generate(
                read, roots, self._model.writings.of(chunk), longest
            )
        return zip(choices, embedding, strict=True)

    def _best(
        self, read: Arrays, roots: Array, actions: tuple[str, ...], longest: int
    ) -> tuple[list[Choice], Array]:
        tree, padding, lengths = self._scored(actions)
        self._model.check_room(longest, max(lengths))
        nodes = np.tile(tree.nodes, (len(roots), 1))
        nodes[:, 0] = roots
        found = self._score.run(read | tree.inputs() | {"nodes": nodes})
        scores = tree.sums(found["values"], len(actions)) + padding
        return best(scores, actions, lengths), found["embedding"]

    def _generate(
        self, read: Arrays, roots: Array, writing: Writing, longest: int
    ) -> tuple[list[Choice], Array]:
        most = self._model.room(longest, writing.most)
        read |= self._read.run(read)
        embedding = read.get("embedding")  # or else it comes with the first token
        made = np.zeros((len(roots), most), np.int64)
        logprobs = np.zeros((len(roots), most), np.float32)
        going = np.arange(len(roots))  # rows without an end token so far
        nodes = roots[:, None]
        for length in range(1, most + 1):
            found = self._next.run(read | self._chain(length).inputs() | {"nodes": nodes})
            if embedding is None:
                embedding = found["embedding"]
            made[going, length - 1] = found["best"]
            logprobs[going, length - 1] = found["logprob"]
            left = np.array([not writing.over(row) for row in made[going, :length].tolist()])
            if not left.any():
                break
            nodes = np.concatenate([nodes, found["best"][:, None]], 1)
            if not left.all():
                going, nodes = going[left], nodes[left]
                read = {name: array[left] for name, array in read.items()}
        assert embedding is not None
        return writing.choices(made[:, :length], logprobs[:, :length]), embedding

    def _tree(self, actions: tuple[str, ...]) -> tuple[TokenTree, Array, list[int]]:
        """The tree of these candidates, what padding adds to each score, and their lengths."""
        rows = self._model.candidates(actions)
        lengths = [len(row) for row in rows]
        worth = 1.0 if self._model.scoring == "glam" else 0.0
        padding = worth * (max(lengths) - np.array(lengths, np.float32))
        return TokenTree.of(rows), padding, lengths

    @cached_property
    def _score(self) -> Session:
        return self._stored("score", export_score)

    @cached_property
    def _read(self) -> Session:
        return self._stored("read", export_read)

    @cached_property
    def _next(self) -> Session:
        return self._stored("next", export_next)

    def _stored(self, part: str, export: Callable[[Forward], bytes]) -> Session:
        return stored(self._key, part, partial(export, self._forward), Session)


def _alike(lengths: Sequence[int]) -> Iterator[slice]:
    """Parts of rows in order of their length that waste little on padding.

    A second pass costs about as much as `PASS` tokens, so it pays where it saves more padding.
    """
    start, padding = 0, 0
    for row in range(1, len(lengths)):
        padding += (row - start) * (lengths[row] - lengths[row - 1])
        if padding > PASS:
            yield slice(start, row)
            start, padding = row, 0
    yield slice(start, len(lengths))

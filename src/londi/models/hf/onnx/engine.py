"""Actions chosen with ONNX Runtime: candidates are scored, or a text is generated greedily.

This file knows what the graphs take and give. It does not know how they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from typing import NamedTuple, Self

import numpy as np
import onnxruntime
import torch

from londi.envs.prompt import Prompt
from londi.models.hf.choice import Choice
from londi.models.hf.engine import Answer
from londi.models.hf.onnx.export import export_next, export_read, export_score, stored
from londi.models.hf.onnx.graphs import Forward
from londi.models.hf.onnx.tree import TokenTree, tree_inputs
from londi.models.hf.reader import padded
from londi.models.hf.scoring import CandidateList, one_list
from londi.models.hf.transformer import KEPT, TransformerModel
from londi.models.hf.writing import Writing
from londi.types import Array

Arrays = dict[str, Array]

ALIGNED = 4
"""Prompts are padded to a multiple of this number of tokens. The kernels add up as many products at
a time, so that an answer is the same to the bit whatever stands beside it in a batch."""

PASS = 96
"""Tokens that take about as long as the overhead of one more pass, in small models."""

VALUES = 2**26
"""Most log-probabilities of one pass: a quarter of a gigabyte."""


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


class _Scored(NamedTuple):
    """A list of candidates, and the same as a tree."""

    candidates: CandidateList
    tree: TokenTree

    @classmethod
    def of(cls, candidates: CandidateList) -> Self:
        return cls(candidates, TokenTree.of(candidates.rows))

    def choices(self, values: Array) -> list[Choice]:
        """The best candidate of each row, from the values of the scored tokens `[B, P]`."""
        return self.candidates.choices(self.tree.sums(values, len(self.candidates.actions)))


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
        self._scored = lru_cache(KEPT)(lambda actions: _Scored.of(model.listed(actions)))
        self._chain = lru_cache(KEPT)(TokenTree.chain)
        self._vocabulary = model.model.get_output_embeddings().weight.shape[0]

    def answer(self, prompts: Sequence[Prompt], tokens: list[list[int]]) -> list[Answer]:
        """A choice for each prompt, and its embedding; see `TransformerModel.answer`."""
        answers: dict[int, Answer] = {}
        scored, generated = self._model.groups(prompts)
        lists = [self._scored(prompts[row].actions) for row in scored]
        sizes = [
            (len(tokens[row]), len(own.tree.nodes)) for row, own in zip(scored, lists, strict=True)
        ]
        for part in _alike(sizes, VALUES // self._vocabulary):
            rows = scored[part]
            found = self._score([tokens[row] for row in rows], lists[part])
            answers.update(zip(rows, found, strict=True))
        for chunk, rows in generated.items():
            writing = self._model.writings.of(chunk)
            for part in _alike([(len(tokens[row]), 1) for row in rows], len(rows)):
                found = self._generate([tokens[row] for row in rows[part]], writing)
                answers.update(zip(rows[part], found, strict=True))
        return [answers[row] for row in range(len(prompts))]

    def _prompts(self, tokens: list[list[int]]) -> tuple[Arrays, Array]:
        """The inputs of a graph that reads prompts, and the token before each answer `[B]`."""
        root = self._forward.root
        roots = np.array([row[-1] if root is None else root for row in tokens], np.int64)
        shown = [row[:-1] for row in tokens] if root is None else tokens
        ids, mask = padded(shown, self._model.pad_id, front=False, multiple=ALIGNED)
        return {"ids": ids, "mask": mask}, roots

    def _score(self, tokens: list[list[int]], lists: list[_Scored]) -> Iterator[Answer]:
        """The answers to prompts of about one length, by the candidates of each."""
        for row, own in zip(tokens, lists, strict=True):
            self._model.check_room(len(row), max(own.candidates.lengths))
        read, roots = self._prompts(tokens)
        trees = lists[:1] if one_list([own.candidates for own in lists]) else lists
        found = self._scores.run(read | tree_inputs([own.tree for own in trees], roots))
        values = np.split(found["values"], len(trees))
        choices = [
            choice for own, part in zip(trees, values, strict=True) for choice in own.choices(part)
        ]
        return zip(choices, found["embedding"], strict=True)

    def _generate(self, tokens: list[list[int]], writing: Writing) -> Iterator[Answer]:
        """The answers to prompts of about one length, with the same bounds."""
        read, roots = self._prompts(tokens)
        most = self._model.room(max(map(len, tokens)), writing.most)
        read |= self._read.run(read)
        embedding = read.get("embedding")  # or else it comes with the first token
        made = np.zeros((len(roots), most), np.int64)
        logprobs = np.zeros((len(roots), most), np.float32)
        going = np.arange(len(roots))  # rows without an end token so far
        nodes = roots[:, None]
        for length in range(1, most + 1):
            chain = tree_inputs([self._chain(length)], nodes[:, 0])
            found = self._next.run(read | chain | {"nodes": nodes})
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
        choices = writing.choices(made[:, :length], logprobs[:, :length])
        return zip(choices, embedding, strict=True)

    @cached_property
    def _scores(self) -> Session:
        return self._stored("score", export_score)

    @cached_property
    def _read(self) -> Session:
        return self._stored("read", export_read)

    @cached_property
    def _next(self) -> Session:
        return self._stored("next", export_next)

    def _stored(self, part: str, export: Callable[[Forward], bytes]) -> Session:
        return stored(self._key, part, partial(export, self._forward), Session)


def _alike(sizes: Sequence[tuple[int, int]], nodes: int) -> Iterator[slice]:
    """Parts of rows in order of their length that waste little on padding.

    A second pass costs about as much as `PASS` tokens, so it pays where it saves more padding.

    Args:
        sizes: number of tokens of each prompt, and of the nodes behind it.
        nodes: most nodes of a part, unless one row has more.
    """
    start, longest, widest, own = 0, 0, 0, 0
    for row, (length, width) in enumerate(sizes):
        longest, widest, own = max(longest, length), max(widest, width), own + length + width
        count = row + 1 - start
        padding = count * (longest + widest) - own
        if row > start and (padding > PASS or count * widest > nodes):
            yield slice(start, row)
            start, longest, widest, own = row, length, width, length + width
    if sizes:
        yield slice(start, len(sizes))

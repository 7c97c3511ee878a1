"""Copies of demonstrations in which words are exchanged for others of their kind.

A model that sees the same few worlds again and again learns them by heart: which cut a recipe wants
of the red apple, say, instead of reading the recipe. In a copy the red apple may be a carrot, and
dicing may be slicing, in all texts alike, so that what is read is all that helps. This is known as
counterfactual data augmentation (arXiv 1807.11714). This file knows texts, and no environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from londi.config.finetune import exchanged_rows
from londi.imitation.demonstrations import Demonstration
from londi.types import Info

_VOWELS = tuple("aeiou")


class Exchange:
    """One exchange: each word of a group stands for another of it, or for itself.

    Args:
        groups: words of a kind, each group a list. A word with several forms is written as
            ``"slice/sliced"``; forms are exchanged together, by their order. A group whose members
            all have the same forms, as ``["north/south", "south/north"]``, lists what the forms of
            the first member may be.
        rng: draws who stands for whom.
    """

    def __init__(self, groups: Sequence[Sequence[str]], rng: np.random.Generator) -> None:
        self._other: dict[str, str] = {}
        for group in groups:
            rows = [word.split("/") for word in group]
            order = [rows[place] for place in rng.permutation(len(rows))]
            for forms, others in zip(exchanged_rows(rows), order, strict=False):
                self._other |= dict(zip(forms, others, strict=True))
        longest_first = sorted(self._other, key=len, reverse=True)
        words = "|".join(map(re.escape, longest_first))
        self._pattern = re.compile(rf"(?<![\w-])(?:(an?) )?({words})(?![\w-])")

    def text(self, text: str) -> str:
        """The text with other words, and their articles."""
        return self._pattern.sub(self._exchanged, text)

    def episode(self, episode: Demonstration) -> Demonstration:
        """The episode with other words, in all that is read and done."""
        texts = self._texts
        return replace(
            episode,
            goal=self.text(episode.goal),
            actions=texts(episode.actions),
            observations=texts(episode.observations),
            taken=texts(episode.taken),
            labels=texts(episode.labels),
            states=tuple(map(self._info, episode.states)),
        )

    def _exchanged(self, match: re.Match[str]) -> str:
        article, word = match.groups()
        other = self._other[word]
        if article is None:
            return other
        return f"{'an' if other.startswith(_VOWELS) else 'a'} {other}"

    def _texts(self, texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(self.text, texts))

    def _info(self, info: Info) -> Info:
        """A state's record; what is no text, nor a list of texts, is left as it is."""
        changed = dict(info)
        for key, value in info.items():
            if isinstance(value, str):
                changed[key] = self.text(value)
            elif isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
                changed[key] = self._texts(value)
        return changed


def with_copies(
    episodes: Sequence[Demonstration],
    groups: Sequence[Sequence[str]],
    copies: int,
    rng: np.random.Generator,
) -> Iterator[Sequence[Demonstration]]:
    """The episodes, and so many times all of them with an exchange of its own for each."""
    yield episodes
    for _ in range(copies):
        yield [Exchange(groups, rng).episode(episode) for episode in episodes]

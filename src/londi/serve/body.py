"""The JSON of a request, whose model can be replaced while every other byte stays.

This file knows JSON's text, and no API.
"""

from __future__ import annotations

import json
import re
from typing import Any

from londi.errors import InvalidConfig

MOST_DEPTH = 200
"""Deepest nesting of a request; everything that reads one may recurse as deep as this."""

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class RequestBody:
    """A request as JSON.

    Args:
        content: the bytes.

    Attributes:
        values: the members of its object.

    Raises:
        InvalidConfig: if it is no JSON object.
    """

    def __init__(self, content: bytes) -> None:
        self.values: dict[str, Any] = {}
        self._model: list[tuple[int, int]] = []  # where its value stands; twice is possible
        try:
            self._text = content.decode()
            self._read()
        except (ValueError, IndexError) as error:
            raise InvalidConfig("request: expected a JSON object") from error
        except RecursionError:
            deep = True
        else:
            deep = _is_deep(self.values)
        if deep:
            raise InvalidConfig("request: its JSON is nested too deep")

    def with_model(self, name: str) -> bytes:
        """The request with that model, and else as it came."""
        text, told = self._text, json.dumps(name)
        if not self._model:
            start = text.index("{") + 1
            comma = ", " if self.values else ""
            return f'{text[:start]}"model": {told}{comma}{text[start:]}'.encode()
        for start, end in reversed(self._model):
            text = text[:start] + told + text[end:]
        return text.encode()

    def _read(self) -> None:
        at = self._expect("{", 0)
        if self._text[at] == "}":
            return self._end(at + 1)
        while True:
            name, at = _DECODER.raw_decode(self._text, at)
            if not isinstance(name, str):
                raise ValueError
            start = self._expect(":", at)
            self.values[name], at = _DECODER.raw_decode(self._text, start)
            if name == "model":
                self._model.append((start, at))
            at = self._space(at)
            if self._text[at] == "}":
                return self._end(at + 1)
            at = self._expect(",", at)

    def _expect(self, sign: str, at: int) -> int:
        """The place behind `sign`, which stands at `at`, and the space around it."""
        at = self._space(at)
        if self._text[at] != sign:
            raise ValueError
        return self._space(at + 1)

    def _space(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        assert found
        return found.end()

    def _end(self, at: int) -> None:
        if self._space(at) != len(self._text):
            raise ValueError


def _is_deep(values: dict[str, Any]) -> bool:
    """Whether lists and objects stand in each other in more than `MOST_DEPTH` levels."""
    level: list[Any] = [values]
    for _ in range(MOST_DEPTH):
        if not level:
            return False
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [item for items in inner for item in items if isinstance(item, (dict, list))]
    return True

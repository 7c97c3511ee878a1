"""Refusals in the shape of the API that was asked.

This file knows shapes, and no reasons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import JSONResponse

from londi.serve.apis import error_body


class Refusal(Exception):
    """A request that is refused.

    Args:
        status: of the answer.
        said: why.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class AsciiJSON(JSONResponse):
    """An answer of ASCII alone, so that it can hold any text that a request had.

    Raises:
        ValueError: if there is a number in it that JSON has not, such as NaN.
    """

    def render(self, content: object) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def refusal(
    path: str, status: int, said: str, headers: Mapping[str, str] | None = None
) -> AsciiJSON:
    """The answer to a request at `path`."""
    return AsciiJSON(error_body(path, status, said), status, dict(headers or {}))

"""Refusals in the shape of the API that was asked.

This file knows shapes, and no reasons.
"""

from __future__ import annotations

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


def refusal(
    path: str, status: int, said: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer to a request at `path`."""
    return JSONResponse(error_body(path, status, said), status, dict(headers or {}))

"""Refusals in the shape of the API that was asked.

This file knows shapes, and no reasons.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from londi.serve.apis import ANTHROPIC, api_of

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
}


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
    kind = _KINDS.get(status, "api_error")
    if api_of(path) is ANTHROPIC:
        body: dict[str, object] = {"type": "error", "error": {"type": kind, "message": said}}
    else:
        body = {"error": {"message": said, "type": kind, "param": None, "code": None}}
    return JSONResponse(body, status, dict(headers or {}))

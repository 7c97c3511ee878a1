"""The live page and its data as addresses of a gateway.

The page holds no figures and may be seen by all who reach the gateway; its data ask for a key where
there are keys, and otherwise come to pages of this gateway alone. This file knows HTTP.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.resources import files
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from londi.reports.template import fill, style
from londi.serve.errors import AsciiJSON, Refusal, refusal
from londi.serve.live.view import LiveView

DATA = "/live.json"
"""Address of the page's data."""
_PAGE = files("londi.serve.live") / "page"
_HOSTS = ("127.0.0.1", "localhost", "::1")
_CLOSED = {
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Headers of the page and its data: nobody keeps them, and no other site includes them."""


class LiveAddresses:
    """The page, and its data.

    Args:
        view: what is shown.
        client_of: the name of the client that asks, by the headers; raises a `Refusal`.
        keys: whether clients have keys.
    """

    def __init__(
        self, view: LiveView, client_of: Callable[[Mapping[str, str]], str], keys: bool
    ) -> None:
        self._view, self._client_of, self._keys = view, client_of, keys
        self._text, self._policy = _made(keys)

    async def page(self, request: Request) -> Response:
        """`GET /`."""
        del request
        headers = _CLOSED | {"content-security-policy": self._policy, "x-frame-options": "DENY"}
        return Response(self._text, headers=headers, media_type="text/html")

    async def data(self, request: Request) -> Response:
        """`GET /live.json`."""
        try:
            if not self._keys:
                _check_local(request.headers)
            client = self._client_of(request.headers)
        except Refusal as error:
            return refusal("", error.status, str(error), _CLOSED)
        return AsciiJSON(asdict(await self._view.of(client)), headers=_CLOSED)


def _check_local(headers: Mapping[str, str]) -> None:
    """Refuse what another site's page asks.

    Its requests that only read have no `Origin`, and a name of its own may lead to this machine.

    Raises:
        Refusal: if it is such a request.
    """
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:
        host = None
    if host not in _HOSTS:
        raise Refusal(403, "without `clients` the live page is at 127.0.0.1 or localhost alone")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Refusal(403, "web pages can ask with a key only; name it in `clients`")


def _made(keys: bool) -> tuple[str, str]:
    """The page, and the policy that lets it load nothing and run nothing but its own script."""
    script = (_PAGE / "live.js").read_text(encoding="utf-8")
    own = (_PAGE / "live.css").read_text(encoding="utf-8")
    text = fill("live.html", {"own": own, "keys": str(keys).lower(), "script": script}, _PAGE)
    styles = " ".join(map(_hash, (style(), own)))
    return text, (
        f"default-src 'none'; script-src {_hash(script)}; style-src {styles}; connect-src 'self';"
        " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"

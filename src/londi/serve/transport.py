"""A transport of httpx2 that sends with aiohttp.

The pool of httpx2 asks the system about each idle connection at each request, which takes
milliseconds once some hundred are open. That of aiohttp is told when one closes, and it parses in
C. This file knows both libraries, and no model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import cache
from types import TracebackType
from typing import Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from yarl import URL

LONGEST = 65_536
"""Bytes of the longest header of an answer."""
_ADDED = ("accept", "accept-encoding", "content-type", "user-agent")
"""Headers that aiohttp adds where a request has none."""


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends requests over as many connections as are needed, and keeps those that are idle."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=httpx2.create_ssl_context()),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_ADDED,
            max_line_size=LONGEST,
            max_field_size=LONGEST,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._session.close()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        wait = request.extensions["timeout"]
        with _as_httpx2(request):
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                data=request.content,
                headers=request.headers.multi_items(),
                allow_redirects=False,
                proxy=_proxy(request.url.scheme, request.url.host),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=wait["connect"], sock_read=wait["read"]
                ),
            )
        return httpx2.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=_Body(response, request),
            request=request,
        )


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, as its bytes come."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx2.Request) -> None:
        self._response, self._request = response, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx2(self._request):
            async for part in self._response.content.iter_any():
                yield part

    async def aclose(self) -> None:
        self._response.release()  # closes the connection unless the body has ended


@cache
def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host."""
    return None if proxy_bypass(host) else getproxies().get(scheme)


@contextmanager
def _as_httpx2(request: httpx2.Request) -> Iterator[None]:
    """Raise httpx2's error in place of aiohttp's."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout(str(error), request=request) from error
    except TimeoutError as error:
        raise httpx2.ReadTimeout(str(error), request=request) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx2.ConnectError(str(error), request=request) from error
    except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
        raise httpx2.RemoteProtocolError(str(error), request=request) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx2.ReadError(str(error), request=request) from error

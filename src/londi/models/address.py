"""The name of a model behind an API: `openai:<model>@<base_url>`.

This file knows names, and no HTTP.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from londi.config.base import is_http
from londi.errors import InvalidConfig

ENDPOINT = "openai:"
"""Prefix of such a name."""
ADDRESS = "OPENAI_BASE_URL"
"""Environment variable with the address of an API that a name leaves out."""
OPENAI = "https://api.openai.com/v1"
"""The address where neither says one."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model, and where it is.

    Attributes:
        model: its name in the API.
        base_url: address of the API.
    """

    model: str
    base_url: str

    @classmethod
    def of(cls, spec: str) -> Endpoint:
        """The endpoint that ``openai:<model>@<base_url>`` names.

        Raises:
            InvalidConfig: if there is no model, or the address is none.
        """
        name = spec.removeprefix(ENDPOINT)
        model, at, url = name.rpartition("@")
        if not at or "://" not in url:
            model, url = name, os.environ.get(ADDRESS, OPENAI)
        if not (model and is_http(url)):
            raise InvalidConfig(
                f"model: expected openai:<model>@<base_url> with an address that begins with"
                f" http:// or https://, got {spec!r}"
            )
        return cls(model, url.rstrip("/"))

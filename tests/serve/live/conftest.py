"""A real browser for the live page."""

from __future__ import annotations

from browsers import browser as browser

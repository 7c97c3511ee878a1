"""When a request to an API is made again, and after how long.

This file knows status codes and seconds, and no request.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
"""Status codes of an API that is busy or failed, so that another try may succeed."""
LONGEST = 60.0
"""Most seconds between two tries, whatever a server asks for."""
FIRST = 0.5
"""Most seconds before the second try; they double from try to try."""


def wait(tried: int, asked: str | None) -> float:
    """Seconds before the next try.

    Args:
        tried: tries before the last one.
        asked: the server's `Retry-After`: seconds or a date; None where it says nothing. Then the
            wait is random, so that clients that failed together do not come back together.
    """
    if asked is None:
        return random.uniform(0.5, 1.0) * min(FIRST * 2.0**tried, LONGEST)
    try:
        seconds = float(asked)
    except ValueError:
        seconds = _until(asked)
    return min(max(0.0, seconds), LONGEST)


def _until(date: str) -> float:
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return FIRST  # neither a number nor a date

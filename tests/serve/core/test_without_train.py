"""The core of serving in an environment without torch."""

from __future__ import annotations

import pytest

from hidden import without_train


@pytest.mark.parametrize("policy", ["random:0.5", "universal"])
def test_sessions_need_no_torch(policy: str, exported: dict[str, str]) -> None:
    ran = without_train(
        """
import sys
from londi.envs.conversation import Message
from londi.serve.core.policy import load_policy
from londi.serve.core.serving import Serving
from londi.serve.core.sessions import Sessions

sessions = Sessions(load_policy(sys.argv[1]), Serving(("small", "large")))
print(sessions.session("a").decide([Message("user", "Hello")]).model in ("small", "large"))
""",
        exported.get(policy, policy),
    )
    assert ran.stdout == "True\n", ran.stderr

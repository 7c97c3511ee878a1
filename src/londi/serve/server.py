"""A gateway as a process: it listens until it is told to end.

This file knows uvicorn. `gateway.py` is what it serves.
"""

from __future__ import annotations

import gc
import resource
import socket
from dataclasses import replace
from pathlib import Path

import uvicorn

from londi.config.rollout import RolloutConfig
from londi.config.serve import GatewayConfig, ShadowConfig
from londi.errors import LondiError
from londi.serve.estimates import read_estimate
from londi.serve.gateway import make_app
from londi.serve.ledgers import check_ledger
from londi.serve.rollouts import RolloutPlan, described_rollout
from londi.serve.router import Router
from londi.serve.shadow import shadow_encoder
from londi.storage.traces import check_traces


def serve(config: GatewayConfig, router: Router | None = None) -> int:
    """Serve until SIGINT or SIGTERM; answers that have begun are ended first.

    Args:
        config: the settings.
        router: of these settings; by default one with the Switcher that they name.

    Raises:
        LondiError: if the settings cannot be used, or nobody can listen at the address.
    """
    app = make_app(config, router)
    with listening(config) as ours:
        address, used = ours.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        print(
            f"serving at http://{shown}:{used}/v1, live page at http://{shown}:{used}/", flush=True
        )
        # What is there now stays: a collection that walks through all of it holds up every answer.
        gc.collect()
        gc.freeze()
        uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=30,
                # httptools takes no body of a request that offers an upgrade, as Java's clients do.
                http="h11",
                ws="none",
            )
        ).run(sockets=[ours])  # on uvloop, where asyncio.run would take the standard loop
    return 0


def listening(config: GatewayConfig) -> socket.socket:
    """The socket at which clients come, for as many as the system allows.

    Raises:
        LondiError: if nobody can listen there.
    """
    host, port = config.address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        found = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise LondiError(
            f"listen: cannot listen at {config.listen!r}: {error.strerror or error}"
        ) from error
    # asyncio leaves it off for a socket that it has not made: the second part of each answer (its
    # body, or the next event) would wait 40 ms for the client's acknowledgement of the first.
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A session takes two connections, and the usual limit is 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return found


def described(config: GatewayConfig) -> str:
    """The settings in words, once all that they name was found; nothing is created or changed.

    Raises:
        LondiError: if they cannot be used.
    """
    check_ledger(config.ledger or "")
    if config.traces:
        check_traces(Path(config.traces).expanduser())
    if config.estimate:
        read_estimate(Path(config.estimate).expanduser())
    if config.shadow.any:
        shadow_encoder(config.shadow.encoder)
    bare = replace(config, ledger="", traces="", shadow=ShadowConfig(), rollout=RolloutConfig())
    router = Router.of(bare)
    router.close()
    policy = router.steps.sessions.policy
    RolloutPlan.of(config, policy)
    lines = [
        f"QUICK {config.quick.model} at {config.quick.base_url}",
        f"DEEPTHINK {config.deepthink.model} at {config.deepthink.base_url}",
        f"Switcher {config.switcher}, version {policy.version}, encoder {policy.encoder.spec!r}",
        *described_rollout(config.rollout),
        f"listens at {config.listen}, {len(config.clients) or 'no'} client keys",
    ]
    return "\n".join(lines)

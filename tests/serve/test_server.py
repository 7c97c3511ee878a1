"""The socket of a gateway."""

from __future__ import annotations

import resource
import socket

import pytest

from londi.config.serve import GatewayConfig, UpstreamConfig
from londi.errors import LondiError
from londi.serve.server import listening

QUICK = UpstreamConfig("small", "http://127.0.0.1:1/v1")
DEEPTHINK = UpstreamConfig("large", "http://127.0.0.1:1/v1")


def settings(listen: str) -> GatewayConfig:
    return GatewayConfig(QUICK, DEEPTHINK, "always-quick", listen=listen)


def test_no_part_of_an_answer_waits_for_an_acknowledgement() -> None:
    with (
        listening(settings("127.0.0.1:0")) as server,
        socket.create_connection(server.getsockname()),
        server.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_address_may_be_of_either_family() -> None:
    with listening(settings("[::1]:0")) as server:
        assert server.getsockname()[0] == "::1"


def test_as_many_clients_may_come_as_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        listening(settings("127.0.0.1:0")).close()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_an_address_that_is_taken_is_said_in_one_line() -> None:
    with listening(settings("127.0.0.1:0")) as server:
        taken = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(LondiError, match=f"listen: cannot listen at '{taken}'"):
            listening(settings(taken))

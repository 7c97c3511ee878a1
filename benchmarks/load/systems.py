"""The gateways that are compared, each in its quickest fair configuration, with one process.

This file knows how each is configured and started. It does not know what is measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STRAIGHT = "straight"
"""No gateway: the mock upstream itself."""

_HOST = Path(__file__).with_name("switchyard_host.py")


@dataclass(frozen=True)
class Command:
    """How a gateway is started.

    Attributes:
        args: the command.
        ready: path that answers once it is ready.
        env: what is added to the environment.
    """

    args: list[str]
    ready: str
    env: dict[str, str]


@dataclass(frozen=True)
class System:
    """A gateway.

    Attributes:
        name: what it is called.
        python: the interpreter that has it.
        package: the distribution whose version is told.
        configure: its command, for a folder, the address of the upstream and a port.
    """

    name: str
    python: str
    package: str
    configure: Callable[[Path, str, int], Command]

    def version(self) -> str:
        """The version that its interpreter has.

        Raises:
            CalledProcessError: if it has none.
        """
        script = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
        command = [self.python, "-c", script, self.package]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def londi(switcher: Path) -> System:
    """`londi serve` with an exported Switcher that decides at every step, traces and a ledger."""

    def configure(folder: Path, upstream: str, port: int) -> Command:
        price = {"input": 0.5, "output": 2, "cached_input": 0.05}
        settings = {
            "quick": {"model": "quick", "base_url": upstream, "price": price},
            "deepthink": {
                "model": "deepthink",
                "base_url": upstream,
                "price": {name: 10 * value for name, value in price.items()},
            },
            "switcher": str(switcher),
            "in_tool_loops": True,  # decide at every step, not only after a user's message
            "budget": {"calls": 20},
            "day_budget": {"money": 1_000_000},
            "traces": str(folder / "traces.db"),
            "ledger": str(folder / "ledger.db"),
            "listen": f"127.0.0.1:{port}",
        }
        file = folder / "serve.yaml"
        file.write_text(json.dumps(settings))
        args = [sys.executable, "-m", "londi", "serve", "--config", str(file)]
        return Command(args, "/healthz", {})

    return System("londi", sys.executable, "londi", configure)


def litellm(python: str) -> System:
    """LiteLLM's proxy: two deployments of one model, chosen at random; no database and no log."""

    def configure(folder: Path, upstream: str, port: int) -> Command:
        deployments = [
            {
                "model_name": "londi",
                "litellm_params": {
                    "model": f"openai/{name}",
                    "api_base": upstream,
                    "api_key": "none",
                },
            }
            for name in ("quick", "deepthink")
        ]
        settings = {
            "model_list": deployments,
            "router_settings": {"routing_strategy": "simple-shuffle"},
            "litellm_settings": {"set_verbose": False, "telemetry": False},
            "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
        }
        file, log = folder / "litellm.yaml", folder / "log.json"
        file.write_text(json.dumps(settings))
        log.write_text(json.dumps({"version": 1, "disable_existing_loggers": False}))
        args = [str(Path(python).with_name("litellm")), "--config", str(file)]
        args += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        args += ["--log_config", str(log), "--telemetry", "False"]
        env = {
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        }
        return Command(args, "/health/liveliness", env)

    return System("litellm", python, "litellm", configure)


def switchyard(python: str) -> System:
    """Switchyard's server with a random route to two targets, on one thread."""

    def configure(folder: Path, upstream: str, port: int) -> Command:
        file = folder / "routes.toml"
        file.write_text(
            f"""
            schema_version = 1
            [llm_clients.mock]
            format = "openai_chat"
            base_url = "{upstream}"
            [targets.quick]
            id = "quick"
            llm_client = "mock"
            [targets.deepthink]
            id = "deepthink"
            llm_client = "mock"
            [routes.londi]
            id = "londi"
            type = "random"
            targets = ["quick", "deepthink"]
            """
        )
        args = [python, str(_HOST), str(file), str(port)]
        return Command(args, "/health", {"TOKIO_WORKER_THREADS": "1", "RUST_LOG": "error"})

    return System("switchyard", python, "nemo-switchyard", configure)

"""Rollouts before a real gateway: shares, sessions that stay, shadows, and a guard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateways import Gateway
from londi.evaluation.confidence import LEAST
from londi.storage.rollout_log import read_arms
from londi.storage.traces import read_traces
from upstream import Upstream

ASKED: Any = {"model": "londi", "messages": [{"role": "user", "content": "Who are you?"}]}
PRICES: Any = {"small": {"input": 0.1, "output": 0.4}, "large": {"input": 2.0, "output": 8.0}}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
def make(tmp_path: Path, upstream: Upstream) -> Callable[..., Gateway]:
    """Makes a gateway with traces, a rollout, and other settings."""

    def made(rollout: dict[str, Any], **changes: Any) -> Gateway:
        models = {
            name: {"model": model, "base_url": upstream.url, "price": PRICES[model]}
            for name, model in (("quick", "small"), ("deepthink", "large"))
        }
        values = models | {"switcher": "always-quick", "traces": str(tmp_path / "traces.db")}
        return Gateway(tmp_path, upstream.url, **values | changes, rollout=rollout)

    return made


def ask(web: httpx2.Client, gateway: Gateway, session: str) -> httpx2.Response:
    answer = web.post(
        f"{gateway.url}/chat/completions", json=ASKED, headers={"x-londi-session": session}
    )
    assert answer.status_code == 200
    return answer


def rate(web: httpx2.Client, gateway: Gateway, session: str, value: float) -> None:
    told = {"session": session, "value": value}
    assert web.post(f"{gateway.url}/feedback", json=told).status_code == 200


def state(web: httpx2.Client, gateway: Gateway) -> tuple[str, bool]:
    """Why the Switcher is off, and what the gauge says."""
    health = web.get(gateway.url.replace("/v1", "/healthz")).json()
    text = web.get(gateway.url.replace("/v1", "/metrics")).text
    return health.get("off", ""), "\nlondi_switcher_off 1.0\n" in text


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    return list(read_traces(folder / "traces.db", table))


def test_sessions_stay_in_their_arms_over_a_restart(
    make: Callable[..., Gateway], tmp_path: Path
) -> None:
    rollout = {"control": 0.3, "previous": "random:0.5", "share": 0.3}
    names = [f"session {k}" for k in range(60)]
    with httpx2.Client() as web, make(rollout) as gateway:
        first = [ask(web, gateway, name) for name in names]
        gateway.kill()
        gateway.start()
        again = [ask(web, gateway, name) for name in names]
    steps = rows(tmp_path, "steps")
    arms = {row["session"]: row["arm"] for row in steps}
    assert all(row["arm"] == arms[row["session"]] for row in steps) and len(steps) == 120
    wanted = {"control": "large", "treated": "small"}
    for answers in (first, again):
        for name, answer in zip(names, answers, strict=True):
            if arms[name] in wanted:
                assert answer.headers["x-londi-model"] == wanted[arms[name]]
            told = "control" if arms[name] == "control" else "policy"
            assert answer.headers["x-londi-reason"] == told
    assert set(arms.values()) == {"control", "previous", "treated"}
    for row in steps:
        assert row["encoder"] == "text" and row["observation"]
        assert row["propensity"] == (0.5 if row["arm"] == "previous" else 1.0)
        price = PRICES[row["model"]]
        fresh = row["prompt_tokens"] * price["input"] + row["output_tokens"] * price["output"]
        assert row["money"] == pytest.approx(fresh / 1e6)
    one, other = rows(tmp_path, "rollouts")
    assert one["rollout"] == other["rollout"] == steps[0]["rollout"]
    told_arms = [(arm.arm, arm.share, arm.policy) for arm in read_arms(one["arms"])]
    assert told_arms == [
        ("control", 0.3, "always-deepthink"),
        ("previous", pytest.approx(0.4), "random:0.5"),
        ("treated", 0.3, "always-quick"),
    ]


def test_a_shadow_changes_no_answer_and_is_traced(
    make: Callable[..., Gateway], tmp_path: Path
) -> None:
    with httpx2.Client() as web, make({"mode": "shadow"}, budget={"calls": 2}) as gateway:
        models = [ask(web, gateway, "mine").headers["x-londi-model"] for _ in range(3)]
    assert models == ["large", "large", "small"], "the budget holds"
    steps = rows(tmp_path, "steps")
    assert [row["reason"] for row in steps] == ["shadow", "shadow", "budget"]
    for row in steps:
        assert (row["arm"], row["policy"], row["advised"]) == ("shadow", "always-quick", 0)
        assert (row["probability"], row["propensity"]) == (0.0, 1.0)


def test_a_guard_turns_the_switcher_off_once_and_for_good(
    make: Callable[..., Gateway], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rollout: dict[str, Any] = {"control": 0.5, "guard": {"most_drop": 0.1}}
    names = [f"session {k}" for k in range(2 * LEAST + 50)]
    with httpx2.Client() as web:
        with make(rollout) as gateway:
            for k, name in enumerate(names):
                kept = ask(web, gateway, name).headers["x-londi-reason"] == "control"
                # The treated fail, but for every fifth of them.
                rate(web, gateway, name, float(kept or k % 5 == 0))
            deadline = time.monotonic() + 30
            while not state(web, gateway)[0]:
                assert time.monotonic() < deadline, "the guard does not see it"
                time.sleep(0.05)
            off, gauge = state(web, gateway)
            assert gauge and "the Switcher always-quick is off" in off
            after = {f"after {k}" for k in range(20)}
            told = {ask(web, gateway, n).headers["x-londi-reason"] for n in (*after, *names)}
            assert told == {"control", "off"}
            gateway.kill()
            gateway.start()
            assert state(web, gateway) == (off, True)
            assert ask(web, gateway, "later").headers["x-londi-model"] == "large"
        assert gateway.log.count("is off: its sessions lose") == 2, "once in each life"
        (tripped,) = [row for row in rows(tmp_path, "rollouts") if row["off"]]
        assert tripped["off"] == "always-quick" and tripped["said"] == off
        steps = [row for row in rows(tmp_path, "steps") if row["session"] in after]
        assert {row["arm"] for row in steps} == {"control", "off"}
        assert all((row["choice"], row["propensity"]) == (1, 1.0) for row in steps)
        _, _, since = off.partition("rollout.guard.since: ")
        since = since.partition(",")[0]
        # What it says turns it on again; what came before does not count.
        rollout["guard"]["since"] = since
        time.sleep(3)
        with make(rollout) as gateway:
            assert state(web, gateway) == ("", False)
            told = {ask(web, gateway, f"new {k}").headers["x-londi-reason"] for k in range(20)}
            assert told == {"control", "policy"}
        rollout["guard"].pop("since")
        with make(rollout, switcher="random:0.1") as gateway:
            assert state(web, gateway) == ("", False), "another Switcher"


def test_a_guard_leaves_a_good_switcher_on(make: Callable[..., Gateway]) -> None:
    with (
        httpx2.Client() as web,
        make({"control": 0.5, "guard": {"most_drop": 0.1}}) as gateway,
    ):
        for k in range(2 * LEAST + 40):
            ask(web, gateway, f"{k}")
            rate(web, gateway, f"{k}", float(k % 3 == 0))
        time.sleep(2)
        assert state(web, gateway) == ("", False)

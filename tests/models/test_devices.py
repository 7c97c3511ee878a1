"""Devices by name: which are there, and which worker or job has which."""

from __future__ import annotations

import pytest

from londi.errors import InvalidConfig
from londi.models.devices import (
    check_device,
    deal_gpus,
    nearest_device,
    visible_gpus,
    worker_device,
)
from londi.models.hf.transformer import TransformerModel


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [
        ("2,3", ["2", "3"]),
        (" 1 , GPU-8f3a, MIG-7c/1/0", ["1", "GPU-8f3a", "MIG-7c/1/0"]),
        ("0,-1,2", ["0"]),
        ("-1", []),
        ("", []),
        ("NoDevFiles", []),
    ],
)
def test_gpus_are_those_that_the_environment_shows(
    visible: str, gpus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus() == gpus


@pytest.mark.parametrize(
    ("devices", "gpus", "dealt"),
    [
        ({"cuda"}, ["0", "1"], ["0", "1", "0"]),
        ({"cuda", "cpu"}, ["4"], ["4", "4", "4"]),
        ({"cuda"}, ["0", "1", "2", "3"], ["0", "1", "2"]),
        ({"cuda"}, [], ["", "", ""]),
        ({"cpu"}, ["0"], ["", "", ""]),
        ({"auto"}, ["0"], ["", "", ""]),
        ({"cuda", "cuda:1"}, ["0", "1"], ["", "", ""]),
        (set(), ["0"], ["", "", ""]),
    ],
)
def test_jobs_have_the_gpus_in_turns(devices: set[str], gpus: list[str], dealt: list[str]) -> None:
    assert deal_gpus(devices, gpus, 3) == dealt


@pytest.mark.parametrize(
    ("device", "gpus", "found"),
    [
        ("cuda", 2, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", 1, ["cuda"] * 3),
        ("cuda", 0, ["cuda"] * 3),
        ("cuda:1", 4, ["cuda:1"] * 3),
        ("cpu", 4, ["cpu"] * 3),
        ("auto", 4, ["auto"] * 3),
    ],
)
def test_workers_have_the_gpus_in_turns(device: str, gpus: int, found: list[str]) -> None:
    assert [worker_device(device, place, gpus) for place in range(3)] == found


def test_a_worker_counts_the_gpus_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7,9")
    assert worker_device("cuda", 5) == "cuda:2"


@pytest.mark.parametrize(
    ("name", "gpus", "nearest"),
    [("cuda:3", 2, "cuda:1"), ("gpu", 1, "cuda:0"), ("cpus", 2, "cpu"), ("cuda", 0, "cpu")],
)
def test_the_nearest_device_is_one_that_is_there(name: str, gpus: int, nearest: str) -> None:
    assert nearest_device(name, gpus) == nearest


@pytest.mark.parametrize("name", ["cuda:99", "auto", "meta", "gpu", ""])
def test_a_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        check_device(name)
    said = str(caught.value)
    assert said.startswith("device: expected one that this machine has, such as c")
    assert f"got {name!r}" in said
    assert len(said.splitlines()) == 1


def test_a_device_that_is_there_is_let_through() -> None:
    check_device("cpu")


def test_a_model_for_a_device_that_is_not_there_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidConfig, match=r"device: expected one .* got 'cuda:99'"):
        TransformerModel.load("no/such/model", device="cuda:99")

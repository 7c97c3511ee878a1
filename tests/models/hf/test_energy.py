"""The energy of the devices that a model runs on."""

from __future__ import annotations

import sys

import pytest
import torch

from londi.errors import MissingExtra
from londi.models.hf.energy import energy_counter


@pytest.mark.parametrize("devices", [[], ["cpu"], ["cpu", "cpu"]])
def test_of_a_cpu_no_energy_is_known(devices: list[str]) -> None:
    read = energy_counter(map(torch.device, devices))
    assert [read(), read()] == [0.0, 0.0]


def test_a_cpu_takes_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert energy_counter([torch.device("cpu")])() == 0.0


@pytest.mark.parametrize("devices", [["cuda"], ["cpu", "cuda:1"]])
def test_a_gpus_counter_takes_a_package(
    devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(MissingExtra, match=r"nvidia-ml-py is not installed.*londi\[gpu\]") as error:
        energy_counter(map(torch.device, devices))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_work_on_a_gpu_uses_energy() -> None:
    read = energy_counter([torch.device("cuda"), torch.device("cpu")])
    before = read()
    while read() == before:  # the counter moves in steps
        torch.randn(2048, 2048, device="cuda") @ torch.randn(2048, 2048, device="cuda")
        torch.cuda.synchronize()
    assert 0.0 < read() - before < 1000.0

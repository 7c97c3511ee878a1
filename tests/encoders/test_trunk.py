"""The network that reads frozen features."""

from __future__ import annotations

import pytest
import torch

from londi.encoders.trunk import FeatureTrunk


@pytest.mark.parametrize(("size", "extras"), [(0, 2), (1, 0), (1, 2), (5, 0), (5, 2)])
def test_a_feature_trunk_reads_features_and_extras(size: int, extras: int) -> None:
    torch.manual_seed(0)
    trunk = FeatureTrunk(size, extras, 7)
    base = torch.randn(3, size + extras)
    out = trunk(base)
    assert out.shape == (3, 7)
    for k in range(size + extras):
        changed = base.clone()
        changed[:, k] += 1
        assert not torch.equal(trunk(changed), out), f"number {k} is not read"


def test_features_are_normalised_and_extras_are_not() -> None:
    torch.manual_seed(0)
    trunk = FeatureTrunk(5, 2, 7)
    base = torch.randn(3, 7)
    louder = torch.cat([100 * base[:, :5] + 3, base[:, 5:]], 1)
    torch.testing.assert_close(trunk(louder), trunk(base), atol=1e-3, rtol=1e-3)
    louder = torch.cat([base[:, :5], 100 * base[:, 5:] + 3], 1)
    assert not torch.allclose(trunk(louder), trunk(base), atol=1e-1)


def test_a_single_feature_is_not_normalised_away() -> None:
    torch.manual_seed(0)
    trunk = FeatureTrunk(1, 2, 16)
    low, high = trunk(torch.tensor([[0.1, 1, 0], [0.9, 1, 0]]))
    assert not torch.equal(low, high)

"""Discrete SAC: its losses against numbers by hand and against TorchRL, and its state."""

from __future__ import annotations

import warnings
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from learning.learners import learner, random_batch
from londi.learning.replay import Batch
from londi.learning.sac import (
    SAC,
    AutoAlpha,
    FixedAlpha,
    Rates,
    actor_loss,
    alpha_loss,
    average,
    critic_loss,
    critic_target,
    soft_value,
)
from londi.storage.checkpoint import load_state, save_state
from londi.switching.networks import masked_policy
from playthings import perceptron

BOTH = [True, True]
QUICK_ONLY = [True, False]


def tensors(state: Any) -> list[Tensor]:
    """All tensors in a nested state, in order."""
    if isinstance(state, Tensor):
        return [state]
    inner = state.values() if isinstance(state, dict) else state
    return [t for part in inner for t in tensors(part)] if isinstance(state, dict | list) else []


def same(one: SAC, two: SAC) -> bool:
    """Whether two learners are alike in every bit."""
    pairs = zip(tensors(one.state_dict()), tensors(two.state_dict()), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# Losses by hand. In the first state p = (1/4, 3/4), in the second only QUICK is allowed.
LOGITS = torch.tensor([[0.0, log(3)], [5.0, 9.0]])
ALLOWED = torch.tensor([BOTH, QUICK_ONLY])
Q1 = torch.tensor([[1.0, 2.0], [3.0, 40.0]])
Q2 = torch.tensor([[2.0, 1.0], [4.0, 50.0]])
ENTROPY = -(0.25 * log(0.25) + 0.75 * log(0.75))


def test_critic_loss_by_hand() -> None:
    # min Q = (1, 1) in the first state: a value of 1 + 0.5 H. In the second it is 3.
    value = soft_value(masked_policy(LOGITS, ALLOWED), Q1, Q2, alpha=0.5)
    torch.testing.assert_close(value, torch.tensor([1 + 0.5 * ENTROPY, 3.0]))

    batch = replace(random_batch(2), reward=torch.tensor([10.0, 20.0]))
    target = critic_target(
        replace(batch, terminated=torch.tensor([0.0, 1.0])), torch.tensor([4.0, 5.0]), gamma=0.9
    )
    torch.testing.assert_close(target, torch.tensor([13.6, 20.0]))

    action = torch.tensor([1, 0])  # Q1 there: 2 and 3; Q2 there: 1 and 4
    loss = critic_loss(Q1, Q2, action, torch.tensor([4.0, 4.0]))
    assert loss.item() == pytest.approx((4 + 1) / 2 + (9 + 0) / 2)


def test_the_mean_of_the_critics_by_hand() -> None:
    # Mean Q = (1.5, 1.5) in the first state; in the second it is 3.5.
    policy = masked_policy(LOGITS, ALLOWED)
    value = soft_value(policy, Q1, Q2, alpha=0.5, combine=average)
    torch.testing.assert_close(value, torch.tensor([1.5 + 0.5 * ENTROPY, 3.5]))
    loss = actor_loss(policy, Q1, Q2, alpha=0.5, combine=average)
    assert loss.item() == pytest.approx((-(1.5 + 0.5 * ENTROPY) - 3.5) / 2)


def test_actor_loss_by_hand() -> None:
    loss = actor_loss(masked_policy(LOGITS, ALLOWED), Q1, Q2, alpha=0.5)
    assert loss.item() == pytest.approx((-(1 + 0.5 * ENTROPY) - 3) / 2)


def test_alpha_loss_by_hand() -> None:
    log_alpha = torch.tensor(log(2), requires_grad=True)
    loss = alpha_loss(log_alpha, torch.tensor([0.3, 0.5]), target_entropy=0.1)
    assert loss.item() == pytest.approx(2 * 0.3)
    loss.backward()
    assert log_alpha.grad is not None and log_alpha.grad.item() == pytest.approx(0.6)


def test_the_loss_of_an_update_is_the_sum_of_its_parts() -> None:
    # Masks unlike each other and targets unlike the critics, so that no two can be confused.
    sac, batch = learner(critic_lr=0.0), random_batch()
    next_allowed = torch.tensor([BOTH, QUICK_ONLY]).repeat(8, 1)
    batch = replace(batch, next_allowed=next_allowed)
    for parameter in sac.networks.targets.parameters():
        nn.init.normal_(parameter)
    with torch.no_grad():
        following = masked_policy(sac.networks.actor(batch.next_observation), batch.next_allowed)
        q = [critic(batch.observation) for critic in sac.networks.critics]
        next_q = [critic(batch.next_observation) for critic in sac.networks.targets]
        target = critic_target(batch, soft_value(following, next_q[0], next_q[1], 0.1), 0.99)
        policy = masked_policy(sac.networks.actor(batch.observation), batch.allowed)
    losses = sac.update(batch)
    assert losses.critic == pytest.approx(critic_loss(q[0], q[1], batch.action, target).item())
    assert losses.actor == pytest.approx(actor_loss(policy, q[0], q[1], 0.1).item())
    assert losses.entropy == pytest.approx(policy.entropy().mean().item())
    assert losses.q_mean == pytest.approx(q[0].mean().item())
    assert losses.alpha == 0.0
    assert losses.temperature == 0.1


def test_targets_are_kept_between_their_bounds() -> None:
    # Rewards of 9 and -9 where nothing follows; up to alpha log 2 / (1 - gamma) of entropy may.
    torch.manual_seed(0)
    actor, *critics = (perceptron(3, 8) for _ in range(3))
    sac = SAC(
        actor,
        (critics[0], critics[1]),
        FixedAlpha(0.1),
        Rates(gamma=0.9),
        target_bounds=(-0.5, 0.25),
    )
    batch = replace(random_batch(2), terminated=torch.ones(2), reward=torch.tensor([9.0, -9.0]))
    target = torch.tensor([0.25 + 0.1 * log(2) / (1 - 0.9), -0.5])
    with torch.no_grad():
        q = [critic(batch.observation) for critic in critics]
    expected = critic_loss(q[0], q[1], batch.action, target).item()
    assert sac.update(batch).critic == pytest.approx(expected, rel=1e-5)


def test_losses_equal_torchrl() -> None:
    pytest.importorskip("tensordict")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at import
        pytest.importorskip("torchrl")
        from tensordict import TensorDict
        from tensordict.nn import TensorDictModule
        from torchrl.modules import OneHotCategorical, ProbabilisticActor
        from torchrl.objectives import DiscreteSACLoss

        sac, batch, alpha, target_entropy = learner(), random_batch(), 0.3, 0.2
        for net in (
            *sac.networks.targets,
            *sac.networks.critics,
        ):  # unlike each other, and targets unlike nets
            for parameter in net.parameters():
                nn.init.normal_(parameter)
        theirs = DiscreteSACLoss(
            ProbabilisticActor(
                TensorDictModule(sac.networks.actor, in_keys=["observation"], out_keys=["logits"]),
                in_keys=["logits"],
                distribution_class=OneHotCategorical,
            ),
            TensorDictModule(
                sac.networks.critics[0], in_keys=["observation"], out_keys=["action_value"]
            ),
            action_space="categorical",
            num_actions=2,
            loss_function="l2",
            alpha_init=alpha,
            target_entropy=target_entropy,
        )
        theirs.make_value_estimator(gamma=0.97)
        for params, nets in (
            (theirs.qvalue_network_params, sac.networks.critics),
            (theirs.target_qvalue_network_params, sac.networks.targets),
        ):
            for name, _ in nets[0].named_parameters():
                both = torch.stack([net.get_parameter(name).detach() for net in nets])
                params["module", *name.split(".")].data.copy_(both)
        data = TensorDict(
            {
                "observation": batch.observation,
                "action": batch.action,
                "next": {
                    "observation": batch.next_observation,
                    "reward": batch.reward[:, None],
                    "terminated": batch.terminated[:, None].bool(),
                    "done": batch.terminated[:, None].bool(),
                },
            },
            [16],
        )
        expected = theirs(data)

    q = [critic(batch.observation) for critic in sac.networks.critics]
    next_q = [critic(batch.next_observation) for critic in sac.networks.targets]
    following = masked_policy(sac.networks.actor(batch.next_observation), batch.next_allowed)
    value = soft_value(following, next_q[0], next_q[1], alpha).detach()
    ours = critic_loss(q[0], q[1], batch.action, critic_target(batch, value, gamma=0.97))
    torch.testing.assert_close(ours, expected["loss_qvalue"])

    policy = masked_policy(sac.networks.actor(batch.observation), batch.allowed)
    ours = actor_loss(policy, q[0].detach(), q[1].detach(), alpha)
    torch.testing.assert_close(ours, expected["loss_actor"])
    ours_grad = torch.autograd.grad(ours, sac.networks.actor.head.weight)[0]
    expected["loss_actor"].backward()
    torch.testing.assert_close(
        ours_grad, theirs.actor_network_params["module", "0", "module", "head", "weight"].grad
    )

    # Theirs has log alpha where ours, as the paper, has alpha.
    log_alpha = torch.tensor(log(alpha))
    ours = alpha_loss(log_alpha, policy.entropy(), target_entropy) / alpha * log_alpha
    torch.testing.assert_close(ours, expected["loss_alpha"])


def test_the_future_counts_past_a_truncation_but_not_past_a_termination() -> None:
    # A truncated step has terminated = 0. Only then may the next observation matter.
    batch = random_batch()
    changed = replace(batch, next_observation=batch.next_observation + 1)
    for terminated, equal in ((1.0, True), (0.0, False)):
        ends = torch.full_like(batch.terminated, terminated)
        losses = [learner().update(replace(b, terminated=ends)).critic for b in (batch, changed)]
        assert (losses[0] == losses[1]) is equal


def test_a_forbidden_action_is_never_picked_and_nothing_is_nan() -> None:
    allowed = torch.tensor([QUICK_ONLY, [False, True], BOTH, QUICK_ONLY]).repeat(4, 1)
    batch = replace(random_batch(), allowed=allowed, next_allowed=allowed.flip(0))
    sac = learner(alpha=AutoAlpha(0.1), actor_lr=0.1, critic_lr=0.1)
    for _ in range(30):
        losses = sac.update(batch)
        assert all(np.isfinite(list(map(float, (losses.critic, losses.actor, losses.alpha)))))
    assert all(t.isfinite().all() for t in tensors(sac.state_dict()))
    probability = sac.policy(batch.observation, allowed)
    assert (probability[~allowed] == 0).all()
    torch.testing.assert_close(probability.sum(1), torch.ones(16))


def test_extreme_logits_give_finite_losses_and_gradients() -> None:
    logits = torch.tensor([[1e4, -1e4], [-1e30, 1e30]], requires_grad=True)
    loss = actor_loss(masked_policy(logits, ALLOWED), Q1, Q2, alpha=10.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite() and logits.grad is not None and logits.grad.isfinite().all()


def test_alpha_pays_no_heed_to_states_without_a_choice() -> None:
    batch = random_batch()
    half = torch.tensor(BOTH).repeat(16, 1)
    half[::2, 1] = False
    free = {
        name: value[1::2]
        for name in Batch.__dataclass_fields__
        if isinstance(value := getattr(batch, name), Tensor)
    }
    mixed, alone = (learner(alpha=AutoAlpha(0.5)) for _ in range(2))
    with_masked = mixed.update(replace(batch, allowed=half))
    without = alone.update(Batch(**free))
    assert with_masked.alpha == pytest.approx(without.alpha)
    assert with_masked.entropy == pytest.approx(without.entropy)

    none_free = torch.tensor(QUICK_ONLY).repeat(16, 1)
    before = mixed.alpha.value
    assert mixed.update(replace(batch, allowed=none_free)).entropy == 0.0
    assert mixed.alpha.value == before


def test_auto_alpha_moves_towards_its_target() -> None:
    for entropy, rises in ((0.05, True), (0.65, False)):
        alpha = AutoAlpha(0.3, lr=0.1, initial=0.5)
        assert alpha.value == pytest.approx(0.5)
        alpha.update(torch.full((4,), entropy))
        assert (alpha.value > 0.5) is rises


def test_slow_copies_follow_by_tau() -> None:
    sac = learner(tau=0.25, critic_lr=0.1)
    old = [p.clone() for p in sac.networks.targets.parameters()]
    sac.update(random_batch())
    for before, net, slow in zip(
        old, sac.networks.critics.parameters(), sac.networks.targets.parameters(), strict=True
    ):
        torch.testing.assert_close(slow, 0.75 * before + 0.25 * net)


def test_the_kept_actor_is_the_mean_of_all_and_later_of_the_last() -> None:
    sac = learner(actor_tau=0.25, actor_lr=0.1)
    seen: list[Tensor] = []
    expected = torch.zeros(())
    for k in range(8):
        sac.update(random_batch(seed=k))
        seen.append(sac.networks.actor.head.weight.detach().clone())
        expected = torch.stack(seen).mean(0) if k < 4 else 0.75 * expected + 0.25 * seen[-1]
        torch.testing.assert_close(sac.networks.mean_actor.module.head.weight, expected)
    assert not torch.equal(seen[-1], expected)


def test_the_networks_share_no_weights() -> None:
    sac = learner()
    nets = (
        sac.networks.actor,
        sac.networks.mean_actor,
        *sac.networks.critics,
        *sac.networks.targets,
    )
    pointers = [p.data_ptr() for net in nets for p in net.parameters()]
    assert len(set(pointers)) == len(pointers)


def test_the_same_seed_gives_the_same_bits() -> None:
    one, two = (learner(7, AutoAlpha(0.2)) for _ in range(2))
    for seed in range(5):
        assert one.update(random_batch(seed=seed)) == two.update(random_batch(seed=seed))
    assert same(one, two)
    assert not same(one, learner(8, AutoAlpha(0.2)))


@pytest.mark.parametrize("make_alpha", [lambda: AutoAlpha(0.2), lambda: FixedAlpha(0.1)])
def test_a_resumed_run_ends_in_the_same_bits(make_alpha: Any, tmp_path: Path) -> None:
    whole = learner(0, make_alpha())
    for seed in range(3):
        whole.update(random_batch(seed=seed))
    save_state(tmp_path / "state", whole.state_dict())
    resumed = learner(99, make_alpha())
    resumed.load_state_dict(load_state(tmp_path / "state"))
    assert same(whole, resumed)
    for seed in range(3, 8):
        assert whole.update(random_batch(seed=seed)) == resumed.update(random_batch(seed=seed))
    assert same(whole, resumed)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="target_entropy"):
        AutoAlpha(0.7)
    with pytest.raises(ValueError, match="initial"):
        AutoAlpha(0.3, initial=0.0)
    with pytest.raises(ValueError, match="negative"):
        FixedAlpha(-0.1)

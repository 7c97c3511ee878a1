"""DQN and PPO of Stable-Baselines3 on the switching problem, at one cost each.

This file knows `SwitchingVectorEnv` and that library's form of an environment.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from gymnasium import spaces
from torch import Tensor, nn

from londi.encoders.base import Encoder
from londi.errors import MissingExtra
from londi.switching.env import SwitchingVectorEnv
from londi.switching.networks import Network, UncappedInputs
from londi.switching.observation import ObservationLayout
from londi.types import Array, Info

try:
    from stable_baselines3 import DQN, PPO
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
    from stable_baselines3.common.vec_env import VecEnv
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn
except ImportError as error:
    raise MissingExtra("stable-baselines3", "baselines") from error


class StableBaselines(VecEnv):
    """`SwitchingVectorEnv` in the form that Stable-Baselines3 reads.

    Args:
        env: the environment.
        episodes: the seeds to play, endless; None begins at zero.
    """

    def __init__(self, env: SwitchingVectorEnv, episodes: Iterator[int] | None = None) -> None:
        self.env = env
        self._episodes = episodes
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Array:
        options = None if self._episodes is None else {"episodes": self._episodes}
        return self.env.reset(seed=0, options=options)[0]

    def step_async(self, actions: Array) -> None:
        self.actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        observation, reward, terminated, truncated, info = self.env.step(self.actions)
        ended = terminated | truncated
        infos: list[Info] = [
            {
                "terminal_observation": info["final_obs"][i],
                "TimeLimit.truncated": bool(truncated[i] and not terminated[i]),
            }
            if ended[i]
            else {}
            for i in range(self.num_envs)
        ]
        return observation, reward, ended, infos

    def close(self) -> None:
        self.env.close()

    def get_attr(self, attr_name: str, indices: object = None) -> list[object]:
        return [getattr(self.env, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: object, indices: object = None) -> None:
        raise NotImplementedError

    def env_method(
        self, method_name: str, *args: object, indices: object = None, **kwargs: object
    ) -> list[object]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: object, indices: object = None) -> list[bool]:
        return [False] * self.num_envs


class Trunk(BaseFeaturesExtractor):
    """The network that our own Switchers read an observation with."""

    def __init__(
        self, space: spaces.Space[Array], encoder: Encoder, width: int, cost: float
    ) -> None:
        super().__init__(space, width)
        self.inputs = inputs(encoder, cost)
        self.trunk = encoder.trunk(self.inputs.extras, width)

    def forward(self, observation: Tensor) -> Tensor:
        out: Tensor = self.trunk(self.inputs(observation))
        return out


def inputs(encoder: Encoder, cost: float) -> UncappedInputs:
    """Inputs of these networks, which learn without a budget at one cost."""
    return UncappedInputs(ObservationLayout(encoder.size), cost)


def learn(
    algorithm: str,
    env: SwitchingVectorEnv,
    encoder: Encoder,
    episodes: Iterator[int] | None,
    *,
    width: int,
    cost: float,
    steps: int,
    gamma: float,
    seed: int,
) -> Network:
    """Train, and return the part of the network that decides.

    Its two numbers are Q-values of ``"dqn"``, to take the greater of, and logits of ``"ppo"``. Both
    have the network and the discount of our own Switchers; what else is set is set so that they
    learn at all within as many steps, and the rest is the library's.
    """
    threads = torch.get_num_threads()
    policy = {
        "features_extractor_class": Trunk,
        "features_extractor_kwargs": {"encoder": encoder, "width": width, "cost": cost},
        "net_arch": [],
    }
    common: Info = {"gamma": gamma, "seed": seed, "device": "cpu"}
    world = StableBaselines(env, episodes)
    head: nn.Module
    model: DQN | PPO
    if algorithm == "dqn":
        model = dqn = DQN(
            "MlpPolicy",
            world,
            policy_kwargs=policy,
            learning_rate=1e-3,
            buffer_size=steps,
            learning_starts=steps // 10,
            batch_size=256,
            train_freq=1,
            gradient_steps=max(1, env.num_envs // 8),
            target_update_interval=1000,
            exploration_fraction=0.3,
            exploration_final_eps=0.1,
            **common,
        )
        network = dqn.q_net
        head, trunk = network.q_net[0], network.features_extractor
    else:
        model = ppo = PPO(
            "MlpPolicy",
            world,
            policy_kwargs=policy,
            learning_rate=3e-4,
            n_steps=128,
            batch_size=256,
            ent_coef=0.001,
            **common,
        )
        head, trunk = ppo.policy.action_net, ppo.policy.pi_features_extractor
    model.set_logger(Logger(None, []))  # by default it leaves a folder behind
    model.learn(steps)
    torch.set_num_threads(threads)
    assert isinstance(trunk, Trunk)
    learned = Network(inputs(encoder, cost), trunk.trunk, width)
    learned.head.load_state_dict(head.state_dict())
    return learned


def network(encoder: Encoder, width: int, cost: float) -> Network:
    """A network of the shape that `learn` returns."""
    return Network.reading(encoder, inputs(encoder, cost), width)

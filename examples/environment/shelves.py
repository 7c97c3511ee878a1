"""A template of a world, to be copied and changed: find a book on one of five shelves.

londi envs --check shelves:mine/Shelves-v0
"""

import pickle
from itertools import permutations

import gymnasium
from gymnasium import spaces

from londi.envs.seeds import split_of

ACTIONS = ("walk left", "walk right", "take the book")
ORDERS = list(permutations(("red", "blue", "green", "white", "black")))
SPLITS = {"train": ORDERS[::2], "dev": ORDERS[1::4], "test": ORDERS[3::4]}


class Shelves(gymnasium.Env[str, str]):
    """An episode is known by its seed; the wrong book ends it without reward.

    Args:
        limit: steps after which an episode is truncated.
        expert: whether `info` has the best action, for `londi finetune` and the model `expert`.
    """

    observation_space = spaces.Text(100)
    action_space = spaces.Text(100)

    def __init__(self, limit: int = 12, expert: bool = False) -> None:
        self.horizon, self.expert = limit, expert
        self.metadata = {"returns": (0.0, 1.0), "horizon": limit, "rewindable": True}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        orders = SPLITS[split_of(seed or 0)]
        self.shelves = orders[self.np_random.integers(len(orders))]
        self.place, self.wanted = map(int, self.np_random.integers(5, size=2))
        self.steps = 0
        return self.seen(), self.info()

    def step(self, action):
        self.steps += 1
        taken = action == "take the book"
        found = taken and self.place == self.wanted
        move = {"walk left": -1, "walk right": 1}.get(action, 0)  # any other text does nothing
        self.place = min(max(self.place + move, 0), 4)
        reward = self.reward_at(self.steps) if found else 0.0
        return self.seen(), reward, taken, self.steps >= self.horizon and not taken, self.info()

    def seen(self):
        left, right = self.shelves[: self.place], self.shelves[self.place + 1 :]
        sides = " ".join(left) or "nothing", self.shelves[self.place], " ".join(right) or "nothing"
        return "Left of you: {}. Before you: {}. Right of you: {}".format(*sides)

    def info(self):
        told = {"goal": f"take the book from the {self.shelves[self.wanted]} shelf"}
        told["actions"] = ACTIONS
        if self.expert:
            away = self.wanted - self.place
            told["expert"] = ACTIONS[2 if away == 0 else int(away > 0)]
        return told

    # Rewinding, for `londi limit`: a success alone is rewarded, by the step at which it comes.
    def reward_at(self, steps):
        return 1.0 - 0.5 * steps / self.horizon

    def snapshot(self):
        return pickle.dumps((self.shelves, self.place, self.wanted))

    def restore(self, snapshot):
        self.shelves, self.place, self.wanted = pickle.loads(snapshot)
        self.steps = 0


gymnasium.register("mine/Shelves-v0", entry_point="shelves:Shelves")

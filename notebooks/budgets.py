# %% [markdown]
# # LONDI-B: budgets
#
# A budget is the largest number of DEEPTHINK calls in an episode. The calls that are left, x,
# belong to the state: a Switcher that has one call left waits for where it is worth most. First
# exactly, on a problem small enough to solve; then learned. Less than a minute on one core. Needed:
# `pip install 'londi[train]'`.

# %% [markdown]
# ## Exactly
#
# Six steps, then a reward of 1. A wrong action ends the episode. QUICK is right with the chances
# below, DEEPTHINK always.

# %%
import numpy as np

from londi.oracle.mdp import FiniteSwitching, solve, solve_budgeted

skill = np.array([0.9, 0.4, 0.9, 0.7, 0.95, 0.5])
steps, end = len(skill), len(skill)


def world(right):
    moves, reward = np.zeros((steps + 1, steps + 1)), np.zeros(steps + 1)
    moves[end, end] = 1.0
    for state, chance in enumerate(right):
        moves[state, state + 1] += chance
        moves[state, end] += 1 - chance
    reward[steps - 1] = right[-1]
    return moves, reward


mdp = FiniteSwitching(*world(skill), *world(np.ones(steps)), gamma=0.99)

# %% [markdown]
# Without a cap, the best Switcher calls wherever a call adds more than c. With n calls the solution
# is one row for each number of calls left.

# %%
cost, n = 0.02, 3
print("no cap  ", "".join("D" if call else "q" for call in solve(mdp, cost).choice[:steps]))
solution = solve_budgeted(mdp, cost, n)
for left in range(n, -1, -1):
    row = "".join("D" if call else "q" for call in solution.choice[left, :steps])
    print(f"x = {left}   {row}   value at the start {solution.value[left, 0]:.3f}")

# %% [markdown]
# What follows from the definition: no call at x = 0; more calls left are never worse; and n >= the
# horizon is as good as no cap.

# %%
assert not solution.choice[0].any()
assert (np.diff(solution.value, axis=0) >= -1e-9).all()
uncapped = solve(mdp, cost).value
assert np.allclose(solve_budgeted(mdp, cost, steps).value[-1], uncapped)

# %% [markdown]
# ## Two ways to enforce it
#
# `mask` makes a call at x = 0 impossible, so that the budget holds on every path. `penalty`, the
# paper's, lets a training overspend and punishes it. In the environment of switching, the mask is
# part of `info`:

# %%
from londi import Budget, SwitchingVectorEnv, load_model

quick, deepthink = load_model("builtin:babyai-quick"), load_model("builtin:babyai-deepthink")
env = SwitchingVectorEnv(
    "londi/BabyAIText-GoToLocal-v0", quick, deepthink, cost=0.01, budget=Budget(2), num_envs=1
)
view = env.observer.layout.view
observation, info = env.reset(seed=0)
for _ in range(4):
    left, allowed = view(observation).budget_left[0], info["action_mask"][0]
    print(f"calls left {left:.0f}; QUICK may act: {allowed[0]}, DEEPTHINK may: {allowed[1]}")
    observation, reward, terminated, truncated, info = env.step(np.ones(1, int))
    if terminated[0] or truncated[0]:
        break
env.close()

# %% [markdown]
# ## Learned
#
# A universal Switcher learns every cost and every budget in one run, here a short one. Afterwards
# it is played within budgets of one and four calls.

# %%
from pathlib import Path
from tempfile import mkdtemp

from londi import EvaluateConfig, TrainConfig, evaluate, train
from londi.evaluation.evaluate import results

run = Path(mkdtemp()) / "any"
config = TrainConfig(universal=True, most_budget=8, steps=2_000, steps_per_update=4, cache="memory")
train(config, run)
for budget in (1, 4):
    evaluation = evaluate(run, EvaluateConfig(episodes=30, validation_episodes=20, budget=budget))
    played = {result.method: result for result in results([evaluation])}
    calls = [
        sum(record.step.choice for record in episode) for episode in evaluation.played["londi"]
    ]
    print(f"at most {budget}: return {played['londi'].return_mean:.2f}, calls {sorted(calls)}")
    assert max(calls) <= budget and played["londi"].exceeded == 0

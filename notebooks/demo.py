# %% [markdown]
# # The demo taken apart
#
# `londi demo` trains a Switcher on the built-in pair of BabyAI-Text and compares it with its
# baselines. Here are its parts, one after the other, with a training much shorter: less than a
# minute on one core, where the demo takes a few on two. Needed: `pip install 'londi[train]'`.

# %% [markdown]
# ## The environment
#
# A mission in a small room, seen and acted on in words. An episode is known by its seed.

# %%
from londi import make_env
from londi.envs.seeds import held_out_seeds

ENV = "londi/BabyAIText-MixedTrainLocal-v0"
env = make_env(ENV)
observation, info = env.reset(seed=held_out_seeds(1)[0])
print(info["goal"], info["actions"], observation, sep="\n")
env.close()

# %% [markdown]
# ## The two models
#
# Two T5 models that were made for this environment. Each is asked for a batch of prompts, and
# answers with an action, how sure it is, and what that took.

# %%
from londi import load_model
from londi.envs.episode import TextEpisode

quick, deepthink = load_model("builtin:babyai-quick"), load_model("builtin:babyai-deepthink")
episode = TextEpisode(make_env(ENV))
episode.start(seed=held_out_seeds(1)[0])
for model in (quick, deepthink):
    (reply,) = model.act([episode.prompt()])
    print(f"{model.name}: {reply.action!r}, confidence {reply.confidence:.2f}")

# %% [markdown]
# ## Either of them alone
#
# Most episodes in which QUICK fails are lost at a few steps. Where do the two differ at all, along
# the way of DEEPTHINK?

# %%
agreed = steps = 0
for seed in held_out_seeds(10):
    episode.start(seed)
    for _ in range(30):
        prompt = episode.prompt()
        said, wanted = quick.act([prompt])[0].action, deepthink.act([prompt])[0].action
        agreed, steps = agreed + (said == wanted), steps + 1
        outcome = episode.step(wanted)
        if outcome.terminated or outcome.truncated:
            break
print(f"the models agree at {agreed / steps:.0%} of {steps} steps")

# %% [markdown]
# ## A training
#
# At every step the Switcher says with what probability DEEPTHINK acts. It is paid the reward of the
# environment, less c for each call. The demo takes 40,000 steps; 3,000 show how the report looks,
# and are too few for a good Switcher.

# %%
from pathlib import Path
from tempfile import mkdtemp

from londi import TrainConfig, train

run = Path(mkdtemp()) / "demo"
config = TrainConfig(
    cost=0.005, steps=3_000, steps_per_update=4, cache="memory", report_every=1_000
)


def report(progress):
    done, rate = f"{progress.step:6,} steps", f"call rate {progress.call_rate:.2f}"
    print(f"{done}: return {progress.return_mean:.2f}, {rate}")


train(config, run, on_progress=report)
print(sorted(file.name for file in run.iterdir()))

# %% [markdown]
# ## The comparison
#
# Every method plays the same episodes, which no training has seen. `random` calls as often as the
# Switcher, at random: what the Switcher is ahead of it comes from *where* it calls.

# %%
from londi import EvaluateConfig, evaluate
from londi.evaluation.evaluate import results

evaluation = evaluate(run, EvaluateConfig(episodes=50, validation_episodes=20))
for result in results([evaluation]):
    low, high = result.return_ci
    print(
        f"{result.method:10} return {result.return_mean:.2f} ({low:.2f} .. {high:.2f}), "
        f"call rate {result.call_rate:.2f}, calls saved {result.cost_saved:.0%}"
    )

# %% [markdown]
# ## One episode of the Switcher
#
# Each step has its choice and the probability with which it was drawn.

# %%
for record in max(evaluation.played["londi"], key=len)[:12]:
    who = "DEEPTHINK" if record.step.choice else "QUICK"
    print(f"{record.step.t:3} {who:9} p = {record.propensity:.2f}  {record.step.action}")

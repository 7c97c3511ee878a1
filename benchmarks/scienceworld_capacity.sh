#!/usr/bin/env bash
# How capable QUICK must be, on ScienceWorld's tasks with a gap: random, the built-in QUICK, two
# below it and one that was trained for longer.
# benchmarks/scienceworld_capacity.sh OUT [options of londi sweep]
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
shift
shapes=("16 2500" "32 2500" "64 4000")  # width and gradient steps; the built-in one: 64 and 2500
lender=$out/quick-16                     # the first one records the demonstrations for all
quick=builtin:scienceworld-quick
for shape in "${shapes[@]}"; do
  read -r width steps <<< "$shape"
  model=$out/quick-$width
  if [ ! -d "$model/model" ]; then
    borrow=()
    if [ "$model" != "$lender" ]; then borrow=(--demonstrations "$lender"); fi
    londi finetune --config recipes/scienceworld-quick.yaml --out "$model" --overwrite \
      --d_model "$width" --d_ff $((2 * width)) --steps "$steps" "${borrow[@]}"
  fi
  quick+=", $model/model"
done
# A random policy gives no embedding, so every Switcher reads by the built-in QUICK's; and it draws
# from the valid actions, which are listed for it alone, and for fewer steps: that is slow.
common=(--config configs/sweeps/scienceworld.yaml --base.encoder model:builtin:scienceworld-quick
  --base.choose generate)
londi sweep "${common[@]}" --out "$out/sweep" --grid "[{quick: [$quick], seed: [0, 1, 2]}]" "$@"
tasks="find-animal, find-living-thing, find-non-living-thing, find-plant, lifespan-longest-lived"
tasks+=", lifespan-longest-lived-then-shortest-lived, lifespan-shortest-lived"
londi sweep "${common[@]}" --out "$out/random" --grid '[{quick: [random], seed: [0, 1, 2]}]' \
  --base.env_options "{limit: 50, list_actions: true, tasks: [$tasks]}" \
  "$@" --base.steps 3000 --evaluation.episodes 100

#!/usr/bin/env bash
# How capable QUICK must be: random, two T5 below the built-in one, and one above it.
# benchmarks/capacity.sh OUT [options of londi sweep]
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
shift
shapes=("16 1200" "32 1200" "96 6000")  # width and gradient steps; the built-in one: 48 and 1200
quick=random
for shape in "${shapes[@]}"; do
  read -r width steps <<< "$shape"
  model=$out/quick-$width
  if [ ! -d "$model/model" ]; then
    # 8,000 episodes hold more examples than 1,200 steps of 64 see.
    londi finetune --config recipes/babyai-quick.yaml --out "$model" --overwrite \
      --d_model "$width" --d_ff $((2 * width)) --steps "$steps" --episodes 8000 \
      --evaluation_episodes 300
  fi
  quick+=", $model/model"
done
# A random policy gives no embedding, so every Switcher reads by the built-in QUICK's.
londi sweep --out "$out/sweep" --evaluation.episodes 300 \
  --base.steps 20000 --base.encoder model:builtin:babyai-quick \
  --grid "[{quick: [$quick, 'builtin:babyai-quick'], seed: [0, 1, 2]}]" "$@"

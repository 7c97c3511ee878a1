#!/usr/bin/env bash
# How capable QUICK must be: random, and T5 of three sizes below and above the built-in one.
# benchmarks/capacity.sh OUT [options of londi sweep]
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
shift
sizes=(16 32 96)  # the built-in one has 48; 8,000 episodes are as many as its 1,200 steps see
quick=random
for size in "${sizes[@]}"; do
  if [ ! -d "$out/quick-$size/model" ]; then
    londi finetune --config recipes/babyai-quick.yaml --out "$out/quick-$size" --overwrite \
      --d_model "$size" --d_ff $((2 * size)) --episodes 8000 --evaluation_episodes 300
  fi
  quick+=", $out/quick-$size/model"
done
# A random policy has no encoder states, so every Switcher reads by the built-in QUICK's.
londi sweep --out "$out/sweep" --evaluation.episodes 300 \
  --base.encoder model:builtin:babyai-quick \
  --grid "[{quick: [$quick, 'builtin:babyai-quick'], seed: [0, 1, 2]}]" "$@"

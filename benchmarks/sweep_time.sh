#!/usr/bin/env bash
# Three costs and three seeds as one sweep, and the same nine runs one by one without a shared cache.
# benchmarks/sweep_time.sh OUT [options of londi sweep, such as --base.steps 10000]
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
shift
costs=(0.1 0.3 0.5)
seeds=(0 1 2)

SECONDS=0
londi sweep --out "$out/together" --overwrite --evaluation.episodes 300 \
  --grid '[{cost: [0.1, 0.3, 0.5], seed: [0, 1, 2]}]' "$@"
together=$SECONDS

SECONDS=0
for cost in "${costs[@]}"; do
  for seed in "${seeds[@]}"; do
    londi sweep --out "$out/alone-$cost-$seed" --overwrite --evaluation.episodes 300 \
      --base.cache memory --grid "[{cost: [$cost], seed: [$seed]}]" "$@"
  done
done
echo "one sweep: $together s; nine runs: $SECONDS s"

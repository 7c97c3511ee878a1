#!/usr/bin/env bash
# Three costs and three seeds as one sweep, run by run and two side by side, and the same nine runs one
# by one without a shared cache.
# benchmarks/sweep_time.sh OUT [options of londi sweep, such as --base.steps 10000]
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
shift
costs=(0.1 0.3 0.5)
seeds=(0 1 2)

for jobs in 1 2; do
  SECONDS=0
  londi sweep --out "$out/together-$jobs" --overwrite --evaluation.episodes 300 --jobs "$jobs" \
    --grid '[{cost: [0.1, 0.3, 0.5], seed: [0, 1, 2]}]' "$@"
  together[jobs]=$SECONDS
done

SECONDS=0
for cost in "${costs[@]}"; do
  for seed in "${seeds[@]}"; do
    londi sweep --out "$out/alone-$cost-$seed" --overwrite --evaluation.episodes 300 \
      --base.cache memory --grid "[{cost: [$cost], seed: [$seed]}]" "$@"
  done
done
echo "one sweep: ${together[1]} s, with --jobs 2 ${together[2]} s; nine runs: $SECONDS s"

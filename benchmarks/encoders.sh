#!/usr/bin/env bash
# What the Switcher reads: QUICK's encoder states, a small Transformer trained end to end, and a
# sentence-transformers model. The same settings, seeds and episodes otherwise.
#     [SEEDS="0 1 2"] benchmarks/encoders.sh OUT SENTENCE-MODEL [OPTION ...]
# SENTENCE-MODEL is a name or a path; an empty one ('') leaves that encoder out.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/encoders}
model=${2:-}
shift $(($# < 2 ? $# : 2))
benchmarks/babyai.sh "$out/quick" --encoder quick "$@"
benchmarks/babyai.sh "$out/transformer" --encoder transformer "$@"
if [[ -n $model ]]; then
    benchmarks/babyai.sh "$out/sentence" --encoder "sentence:$model" "$@"
fi

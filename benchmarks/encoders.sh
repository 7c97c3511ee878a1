#!/usr/bin/env bash
# What the Switcher reads: QUICK's encoder states, a small Transformer trained end to end, and a
# sentence-transformers model. The same settings, seeds and episodes otherwise.
#     benchmarks/encoders.sh [OUT] [SENTENCE-MODEL]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/encoders}
benchmarks/babyai.sh "$out/quick" --encoder quick
benchmarks/babyai.sh "$out/transformer" --encoder transformer
if [[ -n ${2:-} ]]; then
    benchmarks/babyai.sh "$out/sentence" --encoder "sentence:$2"
fi

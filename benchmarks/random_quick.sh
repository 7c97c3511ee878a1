#!/usr/bin/env bash
# QUICK replaced by a random policy: a Switcher in front of it should call DEEPTHINK more often.
# Both read the prompt by the same frozen model, since a random policy has no encoder states.
#     benchmarks/random_quick.sh [OUT]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/random-quick}
benchmarks/babyai.sh "$out/builtin" --encoder model:builtin:babyai-quick
benchmarks/babyai.sh "$out/random" --encoder model:builtin:babyai-quick --quick random

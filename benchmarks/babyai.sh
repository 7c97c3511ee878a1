#!/usr/bin/env bash
# The main result: three training seeds, 500 held-out episodes, every method on the same ones.
#     [SEEDS="0 1 2"] benchmarks/babyai.sh [OUT] [OPTION ...]
# Options go to `londi train`. A run that is there already is gone on with.
set -euo pipefail
here=$(dirname "$0")
exec "$here/paper.sh" "$here/../configs/builtin/babyai.yaml" "${1:-runs/babyai}" "${@:2}"

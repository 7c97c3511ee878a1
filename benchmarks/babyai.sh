#!/usr/bin/env bash
# The main result: three training seeds, 500 held-out episodes, every method on the same ones.
#     [SEEDS="0 1 2"] benchmarks/babyai.sh [OUT] [OPTION ...]
# Options go to `londi train`. A run that is there already is gone on with.
set -euo pipefail
out=${1:-runs/babyai}
shift || true
runs=()
for seed in ${SEEDS:-0 1 2}; do
    runs+=("$out/seed$seed")
    if [[ -f $out/seed$seed/config.yaml ]]; then
        londi train --resume "$out/seed$seed"
    else
        londi train --seed "$seed" --out "$out/seed$seed" "$@"
    fi
done
londi evaluate "${runs[@]}" --out "$out/together" --overwrite

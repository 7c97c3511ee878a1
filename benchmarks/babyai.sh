#!/usr/bin/env bash
# The main result: three training seeds, 500 held-out episodes, every method on the same ones.
#     [SEEDS="0 1 2"] benchmarks/babyai.sh [OUT] [OPTION ...]
# Options go to `londi train`. A run that is there already is gone on with.
set -euo pipefail
out=${1:-runs/babyai}
shift || true
seeds=${SEEDS:-0 1 2}
for seed in $seeds; do
    if [[ -f $out/seed$seed/config.yaml ]]; then
        londi train --resume "$out/seed$seed"
    else
        londi train --threads 1 --seed "$seed" --out "$out/seed$seed" "$@"
    fi
done
runs=()
for seed in $seeds; do runs+=("$out/seed$seed"); done
londi evaluate "${runs[@]}" --out "$out/together" --overwrite

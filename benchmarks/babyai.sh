#!/usr/bin/env bash
# The main result: three training seeds, 500 held-out episodes, every method on the same ones.
#     benchmarks/babyai.sh [OUT] [OPTION ...]
# Options go to `londi train`. A run that is there already is gone on with.
set -euo pipefail
out=${1:-runs/babyai}
shift || true
for seed in 0 1 2; do
    if [[ -f $out/seed$seed/config.yaml ]]; then
        londi train --resume "$out/seed$seed"
    else
        londi train --seed "$seed" --out "$out/seed$seed" "$@"
    fi
done
londi evaluate "$out"/seed{0,1,2} --out "$out/together" --overwrite

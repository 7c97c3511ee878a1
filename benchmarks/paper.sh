#!/usr/bin/env bash
# The paper's claim in its own unit: three training seeds, every method on the same held-out episodes,
# and a table of the seconds inside the models.
#     [SEEDS="0 1 2"] [EPISODES=500] [TUNE=OPTIONS] benchmarks/paper.sh CONFIG OUT [OPTION ...]
# A cache would charge an answer what it took in the batch that first asked for it, so none is used in play.
#     benchmarks/paper.sh configs/paper/babyai.yaml runs/paper        the paper's models
#     benchmarks/paper.sh configs/builtin/babyai.yaml runs/babyai     the built-in pair
# Options go to `londi train`. A run that is there already is gone on with. With TUNE, such as "--budget 4", each run is
# tuned on validation episodes by `londi tune` before it is played; that takes a run of `--universal true`.
set -euo pipefail
config=$1
out=$2
shift 2
runs=()
for seed in ${SEEDS:-0 1 2}; do
    runs+=("$out/seed$seed")
    if [[ -f $out/seed$seed/config.yaml ]]; then
        londi train --resume "$out/seed$seed"
    else
        londi train --config "$config" --seed "$seed" --out "$out/seed$seed" "$@"
    fi
done
envs=$(sed -n 's/^num_envs: //p' "$config")
if [[ -n ${TUNE:-} ]]; then
    for run in "${runs[@]}"; do
        # shellcheck disable=SC2086  # several options
        londi tune "$run" --num_envs "${envs:-32}" $TUNE
    done
fi
londi evaluate "${runs[@]}" --out "$out/together" --overwrite \
    --episodes "${EPISODES:-500}" --num_envs "${envs:-32}" --cache none
python "$(dirname "$0")/paper.py" "$out/together"

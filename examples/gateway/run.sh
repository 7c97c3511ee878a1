#!/usr/bin/env bash
# The whole example: traces, training, estimate, rollout, saving. It goes on where it was stopped.
#
#   STEPS=12000 EPISODES=400 OUT=runs/gateway examples/gateway/run.sh
#
# Other options go to run.py (`run.sh --help`).
set -euo pipefail
exec "${PYTHON:-python}" "$(dirname "$0")/run.py" "$@"

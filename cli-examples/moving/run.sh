#!/bin/sh
# Four ways of moving events, learnt in sidebands and judged in every band of a resonance search. QUICK=1: in a minute.
set -eu
cd "$(dirname "$0")/../.."
if [ -n "${QUICK:-}" ]; then
  set -- --set toy.events=10000 --set training.epochs=1 --set judge.max_events=1000 --set seeds=1 "$@"
fi
simmorph compare --config cli-examples/moving/moving.yaml -q "$@"

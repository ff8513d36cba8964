#!/bin/sh
# Every morph beside the optimal map between normal distributions, without and with a context. QUICK=1: in a minute.
set -eu
cd "$(dirname "$0")/../.."
if [ -n "${QUICK:-}" ]; then
  set -- --set toy.events=3000 --set training.epochs=2 --set judge.max_events=500 --methods "flow matching" "$@"
fi
for recipe in fixed drift; do
  simmorph compare --config "cli-examples/gaussian/$recipe.yaml" -q "$@"
done

#!/bin/sh
# Generators of background events: which is nearest to the target? On the toy, variable by variable, and on real rows.
# QUICK=1: in a minute.
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python}"
real=
if [ -n "${QUICK:-}" ]; then
  set -- --set toy.events=3000 --set training.epochs=2 --set judge.max_events=500 "$@"
  real="--methods mademog --set training.epochs=2 --set judge.max_events=500"
fi
simmorph compare --config cli-examples/amplify/higgs.yaml -q "$@"
"$PYTHON" cli-examples/amplify/divergences.py build/amplify/compare
# shellcheck disable=SC2086 # several words
simmorph compare --config cli-examples/amplify/real.yaml -q $real

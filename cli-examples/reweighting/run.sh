#!/bin/sh
# Weights against maps of events on the toy of the reweighting exercise. QUICK=1: in a minute.
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python}"
if [ -n "${QUICK:-}" ]; then
  set -- --set toy.events=5000 --set training.epochs=2 --set judge.max_events=1000 --set seeds=1 "$@"
fi
simmorph compare --config cli-examples/reweighting/compare.yaml -q "$@"
"$PYTHON" cli-examples/reweighting/truth.py build/reweighting/toy

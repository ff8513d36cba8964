#!/bin/sh
# The toy of "one flow to correct them all": compare maps of its shapes, then judge them by deep trees.
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python}"
if [ -n "${QUICK:-}" ]; then
  set -- --set toy.events=4000 --set training.epochs=2 --set "reweight={name: histogram, bins: 4}" "$@"
fi
simmorph compare --config cli-examples/one-flow/compare.yaml "$@"
"$PYTHON" cli-examples/one-flow/judge.py build/one-flow

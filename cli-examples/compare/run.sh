#!/bin/sh
# Every method on the same real electrons, in one table; QUICK=1 shows in a minute how it goes, with three of them.
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python}"
if [ -n "${QUICK:-}" ]; then
  set -- --methods "regression,classifier" --set seeds=1 --set jobs=1 --set training.epochs=2 \
    --set judge.max_events=1000 -o build/compare-quick "$@"
fi
"$PYTHON" cli-examples/cms-zee/prepare.py cli-examples/cms-zee/data/electrons.root build/cms-zee
simmorph compare --config cli-examples/compare/zee.yaml "$@"

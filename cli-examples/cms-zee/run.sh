#!/bin/sh
# Real CMS Z->ee electrons: distort one half, learn to remove it, and see how much of it is removed.
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python}"
"$PYTHON" cli-examples/cms-zee/prepare.py cli-examples/cms-zee/data/electrons.root build/cms-zee
simmorph run --config cli-examples/cms-zee/zee.yaml --force -q "$@"

#!/bin/sh
# Limit on the signal strength of H->yy from real ATLAS Open Data; run it in the root of the repository.
set -eu
output=${1:-build/atlas-hgg}
simmorph limits --config cli-examples/atlas-hgg/categories.yaml --output "$output-categories" --force >&2
simmorph limits --config cli-examples/atlas-hgg/hgg.yaml --output "$output" --force --json

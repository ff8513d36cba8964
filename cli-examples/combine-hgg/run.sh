#!/bin/sh
# Limit on H->yy from the templates of the CMS Combine tutorial; run it in the root of the repository.
set -eu
output=${1:-build/combine-hgg}
simmorph limits --config cli-examples/combine-hgg/hgg.yaml --impacts --output "$output" --force --json

#!/bin/sh
# H->yy from toy data to an upper limit: further arguments go to `simmorph run`.
set -eu
cd "$(dirname "$0")/../.."
simmorph run --config cli-examples/demo/hgg.yaml "$@"

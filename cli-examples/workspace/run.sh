#!/bin/sh
# Limit from a pyhf workspace, as a file and through a pipe; run it in the root of the repository.
set -eu
simmorph limits cli-examples/workspace/two-bins.json
cat cli-examples/workspace/two-bins.json | simmorph limits - --json

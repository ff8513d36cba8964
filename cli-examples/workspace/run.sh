#!/bin/sh
# Limits from a pyhf workspace, as a file and through a pipe, and from a card of CMS Combine; run it in the root of the
# repository.
set -eu
simmorph limits cli-examples/workspace/two-bins.json
simmorph limits cli-examples/workspace/card.txt
cat cli-examples/workspace/two-bins.json | simmorph limits - --json

#!/bin/sh
# Photons, not events: learn the isolation of each photon, and write it back into the lists of the original file.
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python}"
simmorph run --config cli-examples/photons/photons.yaml --force -q "$@"
"$PYTHON" cli-examples/photons/look.py build/photons/toy/mc_gamgam.root build/photons/friend.root build/photons/template.root

#!/bin/sh
# Run the three submit files here, without HTCondor, on small toy files: to try them before they are submitted.
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python}"
work=build/lxplus
rm -rf "$work"
mkdir -p "$work"
cp cli-examples/lxplus/*.sub cli-examples/lxplus/*.yaml cli-examples/lxplus/*.py cli-examples/lxplus/job.sh "$work/"
sed "s/--max-minutes 60/--max-minutes ${MAX_MINUTES:-0.02}/" cli-examples/lxplus/train.sub > "$work/train.sub"
simmorph toy hgg -o "$work/toy" --events "${EVENTS:-20000}" -q > /dev/null

cd "$work"
mkdir -p logs source target
cat > inputs.txt << END
source $PWD/toy/mc_gamgam.root
target $PWD/toy/data.root
END
"$PYTHON" run_locally.py select.sub
"$PYTHON" run_locally.py train.sub --set training.epochs="${EPOCHS:-4}"
"$PYTHON" run_locally.py apply.sub
ls morphed-*.root

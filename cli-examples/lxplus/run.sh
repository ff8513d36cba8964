#!/bin/sh
# What the three submit files do, here and one after the other, on small toy files.
# HTCondor copies the inputs into a job's scratch folder; so does this script.
set -eu
cd "$(dirname "$0")/../.."
example=$PWD/cli-examples/lxplus
work=build/lxplus
rm -rf "$work"
for seed in 1 2; do
  simmorph toy hgg -o "$work/toy-$seed" --events "${EVENTS:-20000}" --seed "$seed" -q --json > /dev/null
done

process=0
while read -r input; do
  "$example/job.sh" select "$input" --selection diphoton-demo -o "$work/selected-$process.root" --json > /dev/null
  echo "$PWD/$work/selected-$process.root" >> "$work/selected.txt"
  process=$((process + 1))
done < "$example/inputs.txt"
"$example/job.sh" select "$work/toy-1/data.root" --selection diphoton-demo -o "$work/target.root" --json > /dev/null

cp "$example/hgg.yaml" "$work/"
cd "$work"
ln -s selected-0.root source.root
# HTCondor starts the job again for as long as it exits with 85.
restarts=0
while :; do
  code=0
  "$example/job.sh" train --config hgg.yaml --max-minutes "${MAX_MINUTES:-0.15}" --set training.epochs=4 -q > train.out || code=$?
  [ "$code" -eq 85 ] || break
  restarts=$((restarts + 1))
done
echo "train: exit code $code after $restarts restarts"
[ "$code" -eq 0 ]

process=0
while read -r input; do
  "$example/job.sh" apply "$(basename "$input")" --model model -o "morphed-$process.root" --json > /dev/null
  process=$((process + 1))
done < selected.txt
ls morphed-*.root

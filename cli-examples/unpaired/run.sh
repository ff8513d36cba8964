#!/bin/sh
# Four losses of one conditional flow that learns without pairs, in one table, and the constrained one looked at closely.
# QUICK=1 shows in a minute how it goes, with two of them.
set -eu
cd "$(dirname "$0")/../.."
work=build/unpaired
if [ -n "${QUICK:-}" ]; then
  work=build/unpaired-quick
  small="layers: 2, hidden: [32], mmd_frequencies: 64"
  set -- --set "toy={name: hgg, output: $work/toy, events: 6000}" --set "select=[
      {input: $work/toy/data.root, selection: diphoton-unpaired, output: $work/data.root},
      {input: $work/toy/mc_gamgam.root, selection: diphoton-unpaired, output: $work/mc_gamgam.root}]" \
    --source "$work/mc_gamgam.root" --target "$work/data.root" -o "$work/compare" \
    --set "methods=[{name: cnf, label: mdmm, loss: mdmm, $small}, {name: cnf, label: nll, loss: nll, $small}]" \
    --set training.epochs=2 --set judge.max_events=1000 "$@"
fi
simmorph compare --config cli-examples/unpaired/unpaired.yaml "$@"
# The constrained model that the comparison has trained, once more, by `evaluate`: its report shows how loss, constraint
# and lambda went.
model=$(ls -td "$work"/compare/models/mdmm-0-*/ | head -n 1)
simmorph apply "$work/mc_gamgam.root" --model "$model" -o "$work/template.root" --force -q
simmorph evaluate --config cli-examples/unpaired/mdmm.yaml --source "$work/mc_gamgam.root" --target "$work/data.root" \
  --model "$model" --template "$work/template.root" -o "$work/report" --force -q
echo "report: $work/report/report.html"

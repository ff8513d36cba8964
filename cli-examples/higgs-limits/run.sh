#!/bin/sh
# Limits with a background that a generator drew: from 10,000 events to a million, to a histogram, to an upper limit.
# QUICK=1: with a few events, to see how it goes.
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python}"
here=cli-examples/higgs-limits work=build/higgs-limits
pool=100000 to_classify=50000 simulated=200000 largest=1000000 drawn=100000 trainings=10 toys=300
generator= scan= bins= observables="m_bb score"
if [ -n "${QUICK:-}" ]; then
  pool=10000 to_classify=2000 simulated=5000 largest= drawn=8000 trainings=2 toys=20
  generator="--set training.epochs=4"
  bins="--set limits.binning.bins=5"
  scan="--set scan={generated:[2000,8000],luminosity:[10,1000],beta:[0.1]}"
  observables=m_bb
fi

# 1. Events: to learn from, to tell signal from background with, and to stand for data and the simulated background.
simmorph toy higgs -o $work/toy --events $pool --seed 1 --force
simmorph toy higgs -o $work/toy-classifier --events $to_classify --seed 2 --force
simmorph toy higgs -o $work/toy-simulated --events $simulated --seed 3 --force

# 2. The classifier; then the generator, with replicas, and once more from other events, to see what is true of it.
simmorph train --config $here/classifier.yaml -q --force
# shellcheck disable=SC2086 # several words
simmorph train --config $here/generator.yaml $generator -q --force --replicas $trainings
simmorph apply --n-events $drawn --model $work/generator -o $work/drawn.root --replicas --seed 2 -q --force
if [ -n "$largest" ]; then
  simmorph apply --n-events "$largest" --model $work/generator -o $work/generated.root -q --force
else
  cp $work/drawn.root $work/generated.root
fi
for seed in $(seq 101 $((100 + trainings))); do
  # shellcheck disable=SC2086
  simmorph train --config $here/generator.yaml $generator --set training.seed="$seed" -o $work/retrained-"$seed" -q --force
  simmorph apply --n-events $drawn --model $work/retrained-"$seed" -o $work/retrained-"$seed".root -q --force
done

# 3. The classifier's score of every event, as branch morph_score.
simmorph apply $work/generated.root $work/drawn*.root $work/retrained-*.root $work/toy-simulated/signal.root \
  $work/toy-simulated/background.root --model $work/classifier --each -o $work/scored -q --force

# 4. The three studies; and how often intervals and limits hold the truth, with both treatments of the training.
for observable in $observables; do
  # shellcheck disable=SC2086
  simmorph scan --config $here/$observable.yaml -q --force -o $work/scan-$observable $bins $scan \
    --set limits.background.input=$work/scored/generated.root
  for treatment in auto naive; do
    # shellcheck disable=SC2086
    simmorph coverage --config $here/$observable.yaml --amplification $treatment --toys $toys $bins -q --force \
      -o $work/coverage-$observable-$treatment
  done
done

# 5. The same chain on real rows.
sh $here/real.sh

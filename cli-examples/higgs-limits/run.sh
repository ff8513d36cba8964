#!/bin/sh
# Limits with a background that a generator drew: from 10,000 events to a million, to a histogram, to an upper limit.
# QUICK=1: with a few events, to see how it goes.
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python}"
here=cli-examples/higgs-limits work=build/higgs-limits
learnt=10000 held_out=5000 to_classify=50000 simulated=200000 drawn=1000000 replicas=10 trainings=100 true=4000000
generator= scan= bins= observables="m_bb score" strengths="0 1 3"
if [ -n "${QUICK:-}" ]; then
  learnt=1000 held_out=5000 to_classify=2000 simulated=5000 drawn=20000 replicas=2 trainings=3 true=100000
  generator="--set training.epochs=4"
  bins="--set limits.binning.bins=5"
  scan="--set scan={generated:[2000,8000],luminosity:[10,1000],beta:[0.1]}"
  observables=m_bb strengths=1
fi

# 1. Events: to learn from, to hold out, to tell signal from background with, and to stand for data.
simmorph toy higgs -o $work/toy --events $learnt --seed 1 --force
simmorph toy higgs -o $work/toy-held-out --events $held_out --seed 4 --force
simmorph toy higgs -o $work/toy-classifier --events $to_classify --seed 2 --force
simmorph toy higgs -o $work/toy-simulated --events $simulated --seed 3 --force
cp $work/toy/background.root $work/learnt.root
cp $work/toy-held-out/background.root $work/held-out.root

# 2. The classifier; then the generator, with replicas, and as many events as are wanted.
simmorph train --config $here/classifier.yaml -q --force
# shellcheck disable=SC2086 # several words
simmorph train --config $here/generator.yaml $generator -q --force --replicas $replicas
simmorph apply --n-events $drawn --model $work/generator -o $work/drawn.root --replicas --seed 2 -q --force

# 3. The classifier's score of every event, as branch morph_score.
simmorph apply $work/drawn*.root $work/learnt.root $work/held-out.root $work/toy-simulated/signal.root \
  $work/toy-simulated/background.root --model $work/classifier --each -o $work/scored -q --force

# 4. The limit, with what simulated events say of the generated background; and the three studies.
for observable in $observables; do
  # shellcheck disable=SC2086
  simmorph limits --config $here/$observable.yaml $bins -q --force -o $work/limits-$observable
  # shellcheck disable=SC2086
  simmorph scan --config $here/$observable.yaml -q --force -o $work/scan-$observable $bins $scan \
    --set limits.background.closure=$work/scored/background.root
done

# 5. How often intervals and limits hold, with many trainings on other events: with each treatment of the training.
"$PYTHON" $here/trainings.py $work/classifier $work/trainings-$learnt.jsonl --learnt $learnt --drawn $drawn --trainings $trainings \
  --true $true
for observable in $observables; do
  for strength in $strengths; do
    for treatment in corrected replicas naive; do
      "$PYTHON" $here/coverage.py $work/trainings-$learnt.jsonl --treatment $treatment --observable "$observable" \
        --strength "$strength"
    done
  done
done

# 6. The same chain on real rows.
sh $here/real.sh

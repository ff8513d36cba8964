#!/bin/sh
# The same chain on 15,977 real rows of HIGGS: a quarter of the background is the data, with 200 signal events in it.
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python}"
here=cli-examples/higgs-limits work=build/higgs-limits/real
drawn=50000 trainings=10 treatments="auto replicas naive" generator= bins=
if [ -n "${QUICK:-}" ]; then
  drawn=4000 trainings=2 treatments=auto generator="--set training.epochs=3" bins="--set limits.binning.edges=[0.3,0.8,1.1,2.2]"
fi
"$PYTHON" $here/split.py cli-examples/amplify/data/higgs.root $work
simmorph train --config $here/real-classifier.yaml -q --force
# shellcheck disable=SC2086 # several words
simmorph train --config $here/real-generator.yaml $generator -q --force --replicas $trainings
simmorph apply --n-events $drawn --model $work/generator -o $work/drawn.root --replicas -q --force
simmorph apply $work/drawn*.root $work/data.root $work/signal.root $work/to-learn.root --model $work/classifier \
  --each -o $work/scored -q --force
for treatment in $treatments; do
  # shellcheck disable=SC2086 # several words
  simmorph limits --config $here/real.yaml $bins --amplification $treatment -q --force -o $work/m_bb-$treatment
  if [ -z "${QUICK:-}" ]; then
    simmorph limits --config $here/real.yaml --amplification $treatment -q --force -o $work/score-$treatment \
      --set limits.observable=morph_score --set "limits.binning={range: [0.55, 0.9], bins: 7}"
  fi
done

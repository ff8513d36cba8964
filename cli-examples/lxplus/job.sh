#!/bin/sh
# Start simmorph from its environment; its exit code is the job's, so that 85 reaches HTCondor.
[ -z "${SIMMORPH_VENV:-}" ] || PATH="$SIMMORPH_VENV/bin:$PATH"
exec simmorph "$@"

#!/bin/bash
# benches/run.sh [--write | trust | keyless | proxy]
# Measures boltseal (release build) beside cosign and notation, whole processes in turn, against refreg, docker-registry and
# the embedded registry on loopback, content trust's processor time beside sigstore-tuf and keyless verification's beside
# sigstore-verify; about 4 minutes. Prints a table with each target of docs/benchmarks.md, met or not; --write puts it into
# that page, `trust` measures content trust alone, `keyless` keyless verification,
# `proxy` the verifying proxy beside nginx.
# tests/peers.sh fetches the peers; what is missing is named.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = proxy ]; then exec cargo bench --quiet --bench proxy; fi
[ "${1:-}" = trust ] || cargo bench --quiet --bench documents
exec cargo bench --quiet --bench peers -- "$@"

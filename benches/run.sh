#!/bin/bash
# benches/run.sh [--write | trust | keyless | admission]
# Measures boltseal (release build) beside cosign and notation, whole processes in turn, against refreg, docker-registry and
# the embedded registry on loopback, content trust's processor time beside sigstore-tuf and keyless verification's beside
# sigstore-verify; about 4 minutes. Prints a table with each target of docs/benchmarks.md, met or not; --write puts it into
# that page, `trust` measures content trust alone, `keyless` keyless
# verification, `admission` the admission webhook.
# tests/peers.sh fetches the peers; what is missing is named.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "${1:-}" != admission ] || exec cargo bench --quiet --bench admission
[ "${1:-}" = trust ] || cargo bench --quiet --bench documents
exec cargo bench --quiet --bench peers -- "$@"

#!/bin/bash
# benches/run.sh [--write | trust | keyless | audit | drift | admission | proxy]
# Measures boltseal (release build) beside cosign and notation, whole processes in turn, against refreg, docker-registry and
# the embedded registry on loopback, content trust's processor time beside sigstore-tuf and keyless verification's beside
# sigstore-verify; about 7 minutes. Prints a table with each target of docs/benchmarks.md, met or not; --write puts it into
# that page. One part alone: `trust` content trust, `keyless` keyless verification, `audit` audits of up to 10,000 images,
# `drift` what `audit drift` costs, `admission` the admission webhook, `proxy` the verifying proxy beside nginx.
# With BENCH_RUNS=N each command runs at most so often: that shows that all of it works, and little else.
# tests/peers.sh fetches the peers; what is missing is named.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in
  drift | admission | proxy) exec cargo bench --quiet --bench "$1" ;;
  trust | keyless | audit) ;;
  *) cargo bench --quiet --bench documents ;;
esac
exec cargo bench --quiet --bench peers -- "$@"

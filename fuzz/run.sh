#!/bin/bash
# fuzz/run.sh [SECONDS | build]
# Fuzzes every target, SECONDS (80) in all, divided over them; fails on the first crash, whose input is then below
# fuzz/artifacts. What is found stays in fuzz/found, apart from the seeds in fuzz/corpus. Needs no nightly compiler.
# With `build` it builds them, and no more.
set -euo pipefail
cd "$(dirname "$0")/.."
BUDGET=${1:-80}
VERSION=0.13.2
TOOLS=$PWD/target/tools
export PATH=$TOOLS/bin:$PATH RUSTC_BOOTSTRAP=1

command -v cargo-fuzz > /dev/null ||
  CARGO_TARGET_DIR=target/tools-build cargo install --quiet --locked --root "$TOOLS" cargo-fuzz --version "$VERSION"

cargo fuzz build --target-dir target/fuzz
[ "$BUDGET" != build ] || exit 0
listed=$(cargo fuzz list)
mapfile -t targets <<< "$listed"
each=$((BUDGET / ${#targets[@]}))
((each > 0)) || each=1
for target in "${targets[@]}"; do
  log=target/fuzz/$target.log
  mkdir -p "fuzz/found/$target"
  if ! cargo fuzz run --target-dir target/fuzz "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
    -max_total_time="$each" -timeout=20 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 > "$log" 2>&1; then
    tail -n 60 "$log"
    exit 1
  fi
  echo "-- $target: $(awk '/number_of_executed_units/ {print $2}' "$log") inputs in $each s"
done

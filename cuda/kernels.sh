#!/usr/bin/env bash
# Checks and times the kernels alone, without Java and libtorch: see test/run_device.cpp. Run from the
# folder that cuda/pack.sh made (start.sh kernels does):
#
#   cuda/kernels.sh [FOLDER FOR RESULTS]
#
# 1. every case of the emulator's on the device      2. the same under compute-sanitizer, where it is
# 3. times beside the bandwidth of a copy             4. the same calls by einsum in PyTorch, where it is
#
# Exit code: 0 all that ran passed, 1 something failed, 2 there is no device or no driver.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
results=${1:-results}
mkdir -p "$results"
status=0

step() { # name command...
  local name=$1 code start=$SECONDS
  shift
  "$@"
  code=$?
  echo "$name: exit code $code, $((SECONDS - start)) s" >&2
  [ $code -eq 0 ] || status=1
  return $code
}

arch=$("$here/run_device" "$here" architecture) || exit 2
if [ "$(ls "$here/$arch"/*.cubin 2>/dev/null | wc -l)" -lt "$(wc -l <"$here/variants.txt")" ]; then
  step compile "$here/cuda/cubins.sh" "$here" "$arch" || exit 1
fi
# the log is long: failures and the last line are shown
step check "$here/run_device" "$here" check <"$here/cases.txt" >"$results/kernels-check.log"
grep -v '^ok ' "$results/kernels-check.log"
step time "$here/run_device" "$here" time <"$here/times.txt" >"$results/kernels-times.json"
cat "$results/kernels-times.json"
if python3 -c 'import torch' 2>/dev/null; then
  step einsum python3 "$here/cuda/einsum.py" "$results/kernels-times.json" "$results/einsum.json"
else
  echo "einsum: skipped, python3 has no torch"
fi
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    # every fourth case: the tools are slow
    awk 'NR % 4 == 1' "$here/cases.txt" >"$results/few.txt"
    step $tool compute-sanitizer --tool $tool --error-exitcode 99 "$here/run_device" "$here" check \
      <"$results/few.txt" >"$results/kernels-$tool.log"
    tail -n 2 "$results/kernels-$tool.log"
  done
  rm -f "$results/few.txt"
else
  echo "memcheck, racecheck: skipped, there is no compute-sanitizer"
fi
exit $status

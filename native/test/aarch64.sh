#!/usr/bin/env bash
# Compiles the kernels for AArch64 and runs them under QEMU: all small sizes against plain loops, and,
# where a file of calls is given (Aarch64Test writes one), those against this machine's baseline.
# Needs the Debian packages g++, g++-aarch64-linux-gnu and qemu-user-static, and target/native.
# Usage: native/test/aarch64.sh OUTPUT_DIR [CALLS]
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
out=${1:?usage: native/test/aarch64.sh OUTPUT_DIR [CALLS]}
calls=${2:-}
cross=aarch64-linux-gnu-g++
qemu=qemu-aarch64-static
CXX=$cross bash "$here/build.sh" "$out"

program() { # COMPILER NAME ARCHIVE PROGRAM [FLAGS]
  local newer
  newer=$(find "$here/include" "$here/src" "$here/test" "$3" -newer "$4" 2>/dev/null || echo yes)
  [ -f "$4" ] && [ -z "$newer" ] && return
  # the linker warns of dlopen in the C library, which nothing calls
  "$1" -std=c++17 -O1 -pthread -I"$here/include" -I"$here/src" "$here/test/$2.cpp" "$3" \
    ${5:-} -o "$4" 2>"$4.log" || { cat "$4.log" >&2; exit 1; }
}

archive=$out/libautocircuit_kernels.a
program "$cross" zero_sizes "$archive" "$out/zero_sizes" -static
echo "small sizes: $("$qemu" "$out/zero_sizes")"
if [ -n "$calls" ]; then
  ours=$here/../target/native/libautocircuit_kernels.a
  program "${CXX:-g++}" replay "$ours" "$out/replay_here"
  program "$cross" replay "$archive" "$out/replay" -static
  "$out/replay_here" write "$out/expected" <"$calls" >/dev/null
  echo "kernel cases: $("$qemu" "$out/replay" expect "$out/expected" <"$calls")"
  rm -f "$out/expected"
fi

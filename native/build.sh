#!/usr/bin/env bash
# Compiles the kernels into a static archive: once per instruction set, chosen at run time.
# Usage: native/build.sh OUTPUT_DIR     (called by the JavaCPP Maven plugin)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: native/build.sh OUTPUT_DIR}
cxx=${CXX:-g++}
command -v "$cxx" >/dev/null || { echo "native/build.sh: no C++ compiler '$cxx'; install g++ (Debian: apt-get install g++)" >&2; exit 1; }
mkdir -p "$out"
flags="-std=c++17 -O3 -fPIC -fopenmp -fvisibility=hidden -Wall -Wextra -Werror -I$here/include"
for f in "$here"/src/*.cpp; do
  "$cxx" $flags -c "$f" -o "$out/$(basename "$f" .cpp).o"
done
rm -f "$out/libautocircuit_kernels.a"
ar rcs "$out/libautocircuit_kernels.a" "$out"/*.o

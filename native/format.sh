#!/usr/bin/env bash
# Formats the C++ and CUDA sources by .clang-format; with --check only says whether they are.
# Usage: native/format.sh [--check]     (the check runs in every build on machines with clang-format)
set -eu
cd "$(dirname "$0")/.."
formatter=${CLANG_FORMAT:-clang-format}
command -v "$formatter" >/dev/null || { echo "native/format.sh: no '$formatter'; install it (Debian: apt-get install clang-format)" >&2; exit 1; }
directories=(native)
[[ -d cuda ]] && directories+=(cuda)
mapfile -d '' sources < <(find "${directories[@]}" -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.inl' -o -name '*.cu' -o -name '*.cuh' \) -print0 | sort -z)
case ${1:-} in
  "") "$formatter" -i --style=file "${sources[@]}" ;;
  --check)
    unformatted=()
    for source in "${sources[@]}"; do
      "$formatter" --style=file "$source" | cmp -s - "$source" || unformatted+=("$source")
    done
    if (( ${#unformatted[@]} > 0 )); then
      echo "not formatted: ${unformatted[*]}; run native/format.sh" >&2
      exit 1
    fi ;;
  *) echo "usage: native/format.sh [--check]" >&2; exit 2 ;;
esac

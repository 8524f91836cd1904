#!/usr/bin/env bash
# Compiles the kernels that a folder's variants.txt lists (number, source, -D options; CudaPack writes
# it) with nvcc:
#
#   cuda/cubins.sh FOLDER [ARCHITECTURE]        (default sm_90; writes FOLDER/ARCHITECTURE/vN.cubin)
#
# Kernels compiled before from the same sources are kept.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?cuda/cubins.sh needs a folder}
arch=${2:-sm_90}
include=$here/../native/include
[ -d "$include" ] || include=$here
command -v nvcc >/dev/null || { echo "cuda/cubins.sh: there is no nvcc; install the CUDA 13 toolkit" >&2; exit 1; }
mkdir -p "$folder/$arch"
sources=$(cat "$here"/*.cu "$here"/common.cuh "$include"/calls.h | sha256sum | cut -c1-16)

compile() { # number source options...
  local number=$1 source=$2 key
  shift 2
  local to=$folder/$arch/v$number.cubin
  key="$sources $source $* $arch"
  if [ -s "$to" ] && [ "$(cat "$to.key" 2>/dev/null)" = "$key" ]; then return 0; fi
  nvcc -std=c++17 -I"$include" -I"$here" -arch="$arch" -cubin -Xptxas --register-usage-level=0 \
    -o "$to.part" "$@" "$here/$source.cu" || return 1
  rm -f "$to.key" # the key comes last: what has one is whole
  mv "$to.part" "$to" && printf '%s' "$key" >"$to.key"
}
export -f compile
export here folder arch include sources
xargs -P "${JOBS:-$(nproc)}" -L 1 bash -c 'compile "$@"' _ <"$folder/variants.txt"

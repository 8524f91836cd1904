#!/usr/bin/env bash
# Compiles the kernels into a static archive: once per instruction set, chosen at run time.
# Usage: native/build.sh OUTPUT_DIR [CLASSES_DIR JAVA_HOME]     (called by the JavaCPP Maven plugin)
# With the second and third, on Linux, also the small library of the command line's start.
# Does nothing when the archive is newer than every source, header and this script.
# For bash 3.2 and later (macOS has no newer one): no wait -n, no associative arrays.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: native/build.sh OUTPUT_DIR [CLASSES_DIR JAVA_HOME]}
cxx=${CXX:-g++}
jobs=2
command -v "$cxx" >/dev/null || { echo "native/build.sh: no C++ compiler '$cxx'; install g++ (Debian: apt-get install g++)" >&2; exit 1; }
mkdir -p "$out"
archive=$out/libautocircuit_kernels.a

# An object depends on every header: they are few and small.
newest_shared=$(ls -t "$here"/build.sh "$here"/include/* "$here"/src/*.h "$here"/src/*.inl | head -n 1)
flags=(-std=c++17 -O3 -fPIC -pthread -fvisibility=hidden -Wall -Wextra -Werror "-I$here/include")
case $("$cxx" -dumpmachine) in
  x86_64*) sets="baseline avx2 avx512"; flags+=(-ffp-contract=off) ;;
  *) sets="baseline"; flags+=(-ffp-contract=fast) ;;  # fma() has no intrinsic there
esac

flags_of() { # FILE: the flags of its instruction set; status 1 if the machine has no such set
  case $(basename "$1") in
    kernels_baseline.cpp) echo "" ;;
    kernels_*.cpp)
      local set=$(basename "$1" .cpp)
      set=${set#kernels_}
      case " $sets " in *" $set "*) ;; *) return 1 ;; esac
      case $set in
        avx2) echo "-mavx2 -mfma" ;;
        avx512) echo "-mavx512f -mfma -mprefer-vector-width=512" ;;
      esac ;;
    *) echo "" ;;
  esac
}

# The long ones first, so that no core waits for the last.
sources=("$here"/src/kernels_*.cpp)
for source in "$here"/src/*.cpp; do
  case $(basename "$source") in kernels_*) ;; *) sources+=("$source") ;; esac
done
todo=()
objects=()
for source in "${sources[@]}"; do
  flags_of "$source" >/dev/null || continue
  object=$out/$(basename "$source" .cpp).o
  objects+=("$object")
  if [[ ! $object -nt $source || ! $object -nt $newest_shared ]]; then todo+=("$source"); fi
done

failed=0
running=()
for source in ${todo[@]+"${todo[@]}"}; do
  if (( ${#running[@]} == jobs )); then
    wait "${running[0]}" || failed=1
    running=(${running[@]+"${running[@]:1}"})
  fi
  object=$out/$(basename "$source" .cpp).o
  # an object appears under its name only when it is complete
  { "$cxx" "${flags[@]}" $(flags_of "$source") -c "$source" -o "$object.new" && mv "$object.new" "$object"; } &
  running+=("$!")
done
for process in ${running[@]+"${running[@]}"}; do wait "$process" || failed=1; done
(( failed == 0 )) || { echo "native/build.sh: compilation failed" >&2; exit 1; }

stale=0
for object in "${objects[@]}"; do [[ $archive -nt $object ]] || stale=1; done
if (( stale )); then
  rm -f "$archive"
  ar rcs "$archive" "${objects[@]}"
fi

# start/: what starts the virtual machine again; of plain JNI and system calls (docs/startup.md)
if [[ $# -ge 3 && $(uname -s) == Linux && -f $3/include/jni.h ]]; then
  source=$here/start/process_image.cpp
  library=$2/io/autocircuit/cli/internal/libautocircuit_start.so
  if [[ ! $library -nt $source || ! $library -nt $here/build.sh ]]; then
    mkdir -p "$(dirname "$library")"
    "$cxx" -std=c++17 -O1 -fPIC -fno-exceptions -shared -s -fvisibility=hidden -Wall -Wextra -Werror \
      -I"$3/include" -I"$3/include/linux" "$source" -o "$library.new"
    mv "$library.new" "$library"
  fi
fi

#!/usr/bin/env bash
# Packs what a bare machine with a CUDA device needs to run cuda/check.sh: no Java, no Maven and no
# network are needed there, only Linux on x86-64, NVIDIA's driver and CUDA 13's libraries (Python's
# nvidia-* packages, as PyTorch for CUDA 13 brings them, or the toolkit).
#
#   cuda/pack.sh [--out DIR] [--stage kernels|engine|all] [--part-bytes N] [--arch LIST]
#                [--class-path FILE] [--references DIR]
#
#   --out         where to (target/cuda-pack)
#   --stage       kernels: the kernels alone, a few MB; engine: Java, libtorch for CUDA and all else, about
#                 550 MB in parts; default both
#   --part-bytes  the largest part (55000000)
#   --arch        architectures the kernels are compiled for, comma-separated (sm_90); needs nvcc
#   --class-path  a file with the run-time class path, jars separated by colons; default: asks Maven
#   --references  the reference cases of ReferenceParityTest (../shared/reference, if it is there)
#
# Compile first (mvn test-compile, or package). Then bring the files of DIR to one folder of the other
# machine, together or one after another, and run start.sh there; cuda/README.md says how.
set -euo pipefail
cd "$(dirname "$0")/.."

out=target/cuda-pack
stage=all
part_bytes=55000000
archs=sm_90
class_path=
references=../shared/reference
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out=${2:?--out needs a folder}; shift 2 ;;
    --stage) stage=${2:?--stage needs kernels, engine or all}; shift 2 ;;
    --part-bytes) part_bytes=${2:?--part-bytes needs a number}; shift 2 ;;
    --arch) archs=${2:?--arch needs a list such as sm_90}; shift 2 ;;
    --class-path) class_path=${2:?--class-path needs a file}; shift 2 ;;
    --references) references=${2:?--references needs a folder}; shift 2 ;;
    *) echo "cuda/pack.sh: unknown argument $1; see the head of this file" >&2; exit 2 ;;
  esac
done
case "$stage" in kernels | engine | all) ;; *) echo "cuda/pack.sh: stage=$stage; use kernels, engine or all" >&2; exit 2 ;; esac

fail() { echo "cuda/pack.sh: $1" >&2; exit 1; }

[ -d target/test-classes/io/autocircuit ] || fail "there is no target/test-classes; run mvn test-compile"
mkdir -p "$out"
out=$(cd "$out" && pwd)

if [ -z "$class_path" ]; then
  class_path=$out/class-path.txt
  mvn -q -B -Pcuda dependency:build-classpath -Dmdep.includeScope=runtime "-Dmdep.outputFile=$class_path" >&2 ||
    fail "Maven does not resolve the class path; give it with --class-path"
fi

jars() { # the run-time class path, one jar a line
  tr ':' '\n' <"$class_path" | grep '\.jar$'
}

# Makes NAME.00, NAME.01, ... of standard input.
split_parts() { # name
  rm -f "$out/$1".[0-9]*
  split -b "$part_bytes" -d -a 2 - "$out/$1."
}

if [ "$stage" != engine ]; then
  k=$out/kernels
  mkdir -p "$k/cuda" "$k/cuda/test" "$k/native"
  java -cp "target/test-classes:target/classes:$(jars | paste -sd:)" io.autocircuit.kernels.CudaPack "$k"
  cp cuda/*.cu cuda/common.cuh cuda/cubins.sh cuda/kernels.sh cuda/einsum.py native/include/calls.h "$k/cuda/"
  # a program that runs where the C++ library is older than here
  g++ -std=c++17 -O2 -w -fno-strict-aliasing -static-libstdc++ -static-libgcc -Icuda -Icuda/test \
    -Inative/include -Inative/src -Inative/test cuda/test/run_device.cpp native/src/*_naive.cpp -ldl -o "$k/run_device"
  for arch in ${archs//,/ }; do
    if command -v nvcc >/dev/null; then
      cuda/cubins.sh "$k" "$arch"
    else
      echo "cuda/pack.sh: there is no nvcc; the kernels are compiled on the other machine"
    fi
  done
  tar -C "$out" --exclude='*.key' -czf - kernels | split_parts kernels.tgz
fi

if [ "$stage" != kernels ]; then
  e=$out/engine
  rm -rf "$e"
  mkdir -p "$e/jars" "$e/cuda" "$e/references"
  found=
  for jar in $(jars); do
    case "$jar" in
      */pytorch-*-linux-x86_64.jar) ;; # libtorch for the CPU: that for CUDA computes there too
      *) cp "$jar" "$e/jars/" ;;
    esac
    case "$jar" in
      */pytorch-*-linux-x86_64-gpu.jar | */cuda-*-linux-x86_64.jar) found="$found $(basename "$jar")" ;;
    esac
  done
  [ "$(echo "$found" | wc -w)" = 2 ] ||
    fail "class path: found=\"$found\", but the linux-x86_64-gpu jar of pytorch and the linux-x86_64 jar of cuda are needed; compile with -Pcuda"
  # the manifest of the jar is not needed: start.sh names the class
  (cd target/classes && jar cf "$e/jars/autocircuit-classes.jar" .)
  cp -r target/test-classes "$e/test-classes"
  console=$(find "${MAVEN_REPOSITORY:-$HOME/.m2/repository}/org/junit/platform/junit-platform-console-standalone" -name '*.jar' 2>/dev/null | sort | tail -n 1 || true)
  if [ -n "$console" ]; then
    cp "$console" "$e/junit.jar"
  else
    echo "cuda/pack.sh: no junit-platform-console-standalone in the local Maven repository; the parity cases stay here (mvn dependency:get -Dartifact=org.junit.platform:junit-platform-console-standalone:1.13.4 brings it)"
  fi
  if [ -d "$references" ]; then
    cp -r "$references/." "$e/references/"
  else
    echo "cuda/pack.sh: there is no $references; the parity cases stay here"
  fi
  cp cuda/check.sh "$e/cuda/"
  git rev-parse --short HEAD >"$e/commit" 2>/dev/null || echo unknown >"$e/commit"
  jlink --add-modules java.compiler,java.desktop,java.management,java.net.http,java.sql,jdk.crypto.ec,jdk.unsupported,jdk.zipfs \
    --strip-java-debug-attributes --no-header-files --no-man-pages --compress=2 --output "$e/java"
  # jars are compressed already, the rest is not
  tar -C "$e" -czf "$e/rest.tgz" java references test-classes
  rm -rf "$e/java" "$e/references" "$e/test-classes"
  tar -C "$out" -cf - engine | split_parts engine.tar
fi

cp cuda/start.sh "$out/start.sh"
(cd "$out" && sha256sum kernels.tgz.* engine.tar.* 2>/dev/null >parts.sha256 || true)
[ -s "$out/parts.sha256" ] || fail "no parts were made"
(cd "$out" && ls -l start.sh parts.sha256 kernels.tgz.* engine.tar.* 2>/dev/null || true) | awk '{print $5, $9}'

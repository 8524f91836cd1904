#!/usr/bin/env bash
# Starts what cuda/pack.sh packed, on a machine with a CUDA device. Needs bash, tar, sha256sum and
# python3, no network and nothing installed.
#
#   start.sh parts             which parts are here, which are missing or damaged
#   start.sh kernels [DIR]     the kernels alone: needs kernels.tgz.* only
#   start.sh libraries         which libraries of CUDA are found, and where; needs no parts
#   start.sh check [ARGUMENTS] cuda/check.sh with the whole engine: needs all engine.tar.*
#   start.sh run ARGUMENTS     the command line itself
#
# Results go to $OUT, or to the folder results. What is unpacked goes to $PACKED (default: the folder
# autocircuit-cuda-USER of $TMPDIR or /tmp, USER being a number) and stays for the next call.
set -u
here=$(cd "$(dirname "$0")" && pwd)
packed=${PACKED:-${TMPDIR:-/tmp}/autocircuit-cuda-$(id -u)}
results=${OUT:-results}

die() { echo "start.sh: $1" >&2; exit "${2:-1}"; }

parts() { # name: checks the parts of kernels.tgz or engine.tar; fails if one is missing or damaged
  local bad=0 sum file
  while read -r sum file; do
    case "$file" in "$1".*) ;; *) continue ;; esac
    if [ ! -f "$here/$file" ]; then
      echo "missing: $file"
      bad=1
    elif [ "$(sha256sum "$here/$file" | cut -d' ' -f1)" != "$sum" ]; then
      echo "damaged: $file (its sha256 is not that of parts.sha256); bring it again"
      bad=1
    fi
  done <"$here/parts.sha256"
  grep -q " $1\." "$here/parts.sha256" || { echo "missing: $1.* (parts.sha256 lists none)"; bad=1; }
  return $bad
}

unpack() { # name folder
  local stamp
  [ -f "$here/parts.sha256" ] || die "there is no parts.sha256 beside start.sh; bring it too"
  # programs are run from there: nobody else's
  mkdir -p -m 700 "$packed" || die "PACKED=$packed cannot be made; set PACKED to a folder of yours"
  [ -O "$packed" ] || die "PACKED=$packed belongs to another user; set PACKED to a folder of yours"
  packed=$(cd "$packed" && pwd)
  stamp=$packed/$2.sha256
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(grep " $1\." "$here/parts.sha256")" ]; then return 0; fi
  parts "$1" || die "parts of $1 are missing or damaged; see the lines above"
  rm -rf "${packed:?}/$2" "$stamp"
  case "$1" in
    *.tgz) cat "$here/$1".[0-9]* | tar -C "$packed" -xzf - ;;
    *) cat "$here/$1".[0-9]* | tar -C "$packed" -xf - ;;
  esac || die "$1 does not unpack into $packed; is the disk full?"
  if [ -f "$packed/$2/rest.tgz" ]; then
    tar -C "$packed/$2" -xzf "$packed/$2/rest.tgz" || die "rest.tgz does not unpack"
  fi
  grep " $1\." "$here/parts.sha256" >"$stamp"
}

# The folders that may hold libraries of CUDA, one a line: Python's nvidia packages, then toolkits.
folders() {
  python3 - <<'END' 2>/dev/null
import glob, os, site, sys
seen = []
roots = list(sys.path)
try:
    roots += site.getsitepackages() + [site.getusersitepackages()]
except AttributeError:
    pass
for root in roots:
    for folder in sorted(glob.glob(os.path.join(root, "nvidia", "**", "lib"), recursive=True)):
        if folder not in seen:
            seen.append(folder)
            print(folder)
END
  local toolkit
  for toolkit in "${CUDA_HOME:-}" /usr/local/cuda-13.* /usr/local/cuda; do
    [ -n "$toolkit" ] || continue
    for folder in "$toolkit/lib64" "$toolkit/targets/x86_64-linux/lib" "$toolkit/extras/CUPTI/lib64"; do
      [ -d "$folder" ] && echo "$folder"
    done
  done
}

# Those that libtorch for CUDA and the presets are linked with (CudaPart lists them too).
needed="libcudart.so.13 libnvrtc.so.13 libnvJitLink.so.13 libcublasLt.so.13 libcublas.so.13
libcufft.so.12 libcurand.so.10 libcusparse.so.12 libcusolver.so.12 libcusolverMg.so.12 libcupti.so.13
libcufile.so.0 libnccl.so.2 libcudnn.so.9 libcudnn_graph.so.9 libcudnn_ops.so.9 libcudnn_adv.so.9
libcudnn_cnn.so.9"

# Sets library_path; says what is missing, by name.
libraries() { # [verbose]
  local library folder found missing=
  library_path=
  local list
  list=$(folders)
  for library in $needed; do
    found=
    while IFS= read -r folder; do
      if [ -e "$folder/$library" ]; then found=$folder; break; fi
    done <<<"$list"
    if [ -n "$found" ]; then
      case ":$library_path:" in *":$found:"*) ;; *) library_path=$library_path${library_path:+:}$found ;; esac
      [ "${1:-}" = verbose ] && echo "$library: $found"
    elif ldconfig -p 2>/dev/null | grep -q "$library "; then
      [ "${1:-}" = verbose ] && echo "$library: the linker's own places"
    else
      missing="$missing $library"
    fi
  done
  if [ -n "$missing" ]; then
    echo "start.sh: missing libraries:$missing; install the nvidia-* packages of PyTorch for CUDA 13, or the CUDA 13 toolkit, cuDNN 9 and NCCL 2" >&2
    return 1
  fi
}

prepare() {
  unpack engine.tar engine
  engine=$packed/engine
  libraries || exit 2
  # libtorch's own folder of PyTorch must not be among them: it is another release
  local others=${LD_LIBRARY_PATH:-}
  export LD_LIBRARY_PATH=$library_path${library_path:+${others:+:}}$others
  # javacpp.cachedir: the home folder may be small or absent; platform.extension: one libtorch, for
  # the CPU's part too
  options=("-Dorg.bytedeco.javacpp.cachedir=$packed/javacpp" -Dorg.bytedeco.javacpp.pathsFirst=true
    -Dorg.bytedeco.javacpp.platform.extension=-gpu "-Dautocircuit.cuda.cache=$packed/cubins")
  java=$engine/java/bin/java
  class_path=$(printf '%s:' "$engine"/jars/*.jar)
  class_path=${class_path%:} # an empty entry is the current folder
}

what=${1:-}
[ $# -gt 0 ] && shift
case "$what" in
  parts)
    bad=0
    parts kernels.tgz || bad=1
    parts engine.tar || bad=1
    [ $bad = 0 ] && echo "all parts are here"
    exit $bad ;;
  libraries) libraries verbose ;;
  kernels)
    unpack kernels.tgz kernels
    exec "$packed/kernels/cuda/kernels.sh" "${1:-$results}" ;;
  run)
    prepare
    exec "$java" "${options[@]}" -cp "$class_path" io.autocircuit.cli.Main "$@" ;;
  check)
    prepare
    printf '#!/usr/bin/env bash\nexec %s-cp %q io.autocircuit.cli.Main "$@"\n' \
      "$(printf '%q ' "$java" "${options[@]}")" "$class_path" >"$packed/autocircuit"
    printf '#!/usr/bin/env bash\nexec %s"-Dautocircuit.device=$1" -cp %q org.junit.platform.console.ConsoleLauncher execute --disable-banner --disable-ansi-colors --details=tree --select-class io.autocircuit.ReferenceParityTest\n' \
      "$(printf '%q ' "$java" "${options[@]}" "-Dreference.dir=$engine/references")" \
      "$engine/junit.jar:$engine/test-classes:$class_path" >"$packed/parity"
    chmod +x "$packed/autocircuit" "$packed/parity"
    mkdir -p "$results"
    export AUTOCIRCUIT_COMMIT
    AUTOCIRCUIT_COMMIT=$(cat "$engine/commit")
    parity=
    [ -f "$engine/junit.jar" ] && [ -n "$(ls "$engine/references")" ] && parity=$packed/parity
    exec "$engine/cuda/check.sh" --run "$packed/autocircuit" ${parity:+--parity "$parity"} --json "$(cd "$results" && pwd)/cuda-$(date -u +%Y-%m-%dT%H%M%SZ).json" "$@" ;;
  *) die "unknown argument \"$what\"; use parts, libraries, kernels, check or run (see the head of this file)" 2 ;;
esac

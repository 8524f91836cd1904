#!/usr/bin/env bash
# Checks and times the CUDA kernels on a machine with a device, in one command:
#
#   cuda/check.sh [--device cuda:N|cpu] [--json FILE] [--jar FILE | --run PROGRAM] [--parity PROGRAM]
#
# 1. selftest: all kernels against their definition, then times     needs the jar of `mvn -Pcuda package`
# 2. the same checks under compute-sanitizer's memcheck, racecheck   needs compute-sanitizer (CUDA toolkit)
# 3. bench: the engine's ratios to the plain forward
# 4. ReferenceParityTest with the model on the device                needs Maven and the reference cases, in
#                                                                    REFERENCE_DIR (default ../shared/reference)
#
# --run names a program that is the command line, in place of java and the jar, and --parity one that
# runs ReferenceParityTest on the device that is its argument, in place of Maven: start.sh of the pack
# that cuda/pack.sh makes gives both.
#
# A step that cannot run says why and how to enable it. All figures go to one JSON file, by default
# benchmarks/results/cuda-DATE.json. Exit code: 0 all that could run passed, 1 something failed,
# 2 nothing could run. docs/cuda.md explains the figures.
set -u
cd "$(dirname "$0")/.." || exit 1

device=cuda
json=benchmarks/results/cuda-$(date -u +%Y-%m-%dT%H%M%SZ).json
jar=target/autocircuit.jar
program=
parity=
references=${REFERENCE_DIR:-$PWD/../shared/reference}
while [ $# -gt 0 ]; do
  case "$1" in
    --device) device=${2:?--device needs a value, such as cuda:1}; shift 2 ;;
    --json) json=${2:?--json needs a file}; shift 2 ;;
    --jar) jar=${2:?--jar needs a file}; shift 2 ;;
    --run) program=${2:?--run needs a program}; shift 2 ;;
    --parity) parity=${2:?--parity needs a program}; shift 2 ;;
    *) echo "cuda/check.sh: unknown argument $1; see the head of this file" >&2; exit 2 ;;
  esac
done

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
steps=
passed=0
failed=0
device_works=no

# The command line of AutoCircuit, with its arguments.
autocircuit() {
  if [ -n "$program" ]; then
    "$program" "$@"
  else
    java -jar "$jar" "$@"
  fi
}

quoted() { # a JSON string of one line of text
  printf '"%s"' "$(printf '%s' "$1" | tr '\n\t' '  ' | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

report() { # name status seconds reason
  printf '%-12s %s%s\n' "$1" "$2" "${4:+: $4}"
  steps="$steps${steps:+,}
    {\"step\": $(quoted "$1"), \"status\": \"$2\", \"seconds\": $3, \"reason\": $(quoted "$4")}"
  case "$2" in
    passed) passed=$((passed + 1)) ;;
    failed) failed=$((failed + 1)) ;;
  esac
}

# Runs a command and reports it. What the program says of a device that cannot be used is a reason
# to skip, not a failure.
step() { # name command...
  local name=$1 code reason
  shift
  local start=$SECONDS
  "$@" >"$work/$name.out" 2>"$work/$name.err"
  code=$?
  cat "$work/$name.out"
  reason=$(grep -m1 '^autocircuit: ' "$work/$name.err")
  reason=${reason#autocircuit: }
  if [ $code -eq 0 ]; then
    report "$name" passed $((SECONDS - start)) ""
    return 0
  fi
  case "$reason" in
    device=*"cannot be used"*)
      report "$name" skipped $((SECONDS - start)) "$reason" ;;
    *)
      tail -n 20 "$work/$name.err" >&2
      report "$name" failed $((SECONDS - start)) "exit code $code${reason:+, $reason}" ;;
  esac
  return 1
}

if [ -z "$program" ] && ! command -v java >/dev/null; then
  report selftest skipped 0 "there is no java; install a JDK 17"
elif [ -z "$program" ] && [ ! -f "$jar" ]; then
  report selftest skipped 0 "there is no $jar; run mvn -Pcuda -DskipTests package"
else
  step selftest autocircuit selftest --device "$device" --json "$work/selftest.json" &&
    device_works=yes
fi

for tool in memcheck racecheck; do
  if [ $device_works = no ]; then
    report $tool skipped 0 "selftest did not pass"
  elif [ "$device" = cpu ]; then
    report $tool skipped 0 "it looks at CUDA kernels only"
  elif ! command -v compute-sanitizer >/dev/null; then
    report $tool skipped 0 "there is no compute-sanitizer; install the CUDA 13 toolkit and add its bin directory to PATH"
  else
    step $tool compute-sanitizer --tool $tool --target-processes all --error-exitcode 99 \
      ${program:-java -jar "$jar"} selftest --device "$device" --checks-only --seed 1
  fi
done

if [ $device_works = no ]; then
  report bench skipped 0 "selftest did not pass"
  report parity skipped 0 "selftest did not pass"
elif [ "$device" = cpu ]; then
  report bench skipped 0 "these sizes take too long on the CPU; run bench by itself"
  report parity skipped 0 "the ordinary tests run it on the CPU"
else
  if step bench autocircuit bench --device "$device" --batch 64 --seq 64 \
    --json "$work/bench.json"; then
    models_work=yes
  else
    models_work=no
  fi
  if [ $models_work = no ]; then
    report parity skipped 0 "bench did not run on $device"
  elif [ -n "$parity" ]; then
    step parity "$parity" "$device"
  elif [ -n "$program" ]; then
    report parity skipped 0 "no program for it was given with --parity"
  elif ! command -v mvn >/dev/null; then
    report parity skipped 0 "there is no mvn; install Maven"
  elif [ ! -d "$references" ]; then
    report parity skipped 0 "there are no reference cases in $references; set REFERENCE_DIR"
  else
    step parity mvn -q -B -Pcuda test -Dtest=ReferenceParityTest \
      "-Dautocircuit.device=$device" "-Dreference.dir=$references"
  fi
fi

{
  printf '{\n  "date": "%s",\n  "device": %s,\n  "commit": %s,\n  "steps": [%s\n  ]' \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(quoted "$device")" \
    "$(quoted "${AUTOCIRCUIT_COMMIT:-$(git rev-parse --short HEAD 2>/dev/null)}")" "$steps"
  for part in selftest bench; do
    if [ -s "$work/$part.json" ]; then
      printf ',\n  "%s": ' $part
      cat "$work/$part.json"
    fi
  done
  printf '}\n'
} >"$work/all.json"
mkdir -p "$(dirname "$json")" && cp "$work/all.json" "$json" && echo "figures: $json"

[ $failed -eq 0 ] || exit 1
[ $passed -gt 0 ] || exit 2

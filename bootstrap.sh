#!/usr/bin/env bash
# Everything from a fresh Debian 12 to results: packages that are missing, configure, build, run.
#
#   ./bootstrap.sh demo                run a real experiment and show its results
#   ./bootstrap.sh test                every test: debug build, deaths and failures on purpose, sanitizers, a minute of fuzzing
#   ./bootstrap.sh test --long N       the same, with N minutes of fuzzing and N times as many deaths
#
# It can be run again at no cost: what is installed and built is left as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

build_packages=(build-essential cmake ninja-build pkg-config libyaml-dev libjansson-dev libssl-dev libuv1-dev libpcre2-dev libhwloc-dev)
test_packages=(libcmocka-dev git python3 procps openmpi-bin libopenmpi-dev clang libclang-rt-14-dev clang-format valgrind
               slurmctld slurmd slurm-client munge libslurm-dev)
# The kernel that runs as a process; what needs it is skipped elsewhere.
case $(dpkg --print-architecture 2>/dev/null || true) in
amd64 | i386) test_packages+=(user-mode-linux) ;;
esac

say()
{
        printf '== %s\n' "$*" >&2
}

usage()
{
        sed -n '4,6s/^#   //p' "${BASH_SOURCE[0]}" >&2
        exit 2
}

# The packages of the arguments that are not installed, one a line.
missing()
{
        local package
        for package; do
                [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
        done
}

# Install what is missing, as root or with sudo; nothing missing: nothing done, and neither is needed.
require()
{
        local wanted as_root=()
        command -v dpkg-query >/dev/null || { say "no Debian: the packages needed are $*"; return; }
        mapfile -t wanted < <(missing "$@")
        [ ${#wanted[@]} -eq 0 ] && return
        say "installing ${wanted[*]}"
        if [ "$(id -u)" -ne 0 ]; then
                command -v sudo >/dev/null || { say "run this as root, or install sudo"; exit 3; }
                as_root=(sudo)
        fi
        "${as_root[@]}" apt-get update -q >&2
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -q --no-install-recommends "${wanted[@]}" >&2
}

# build PRESET TARGET [CMAKE-OPTION…]
build()
{
        local preset=$1 target=$2
        shift 2
        say "building build/$preset"
        cmake --preset "$preset" "$@" >/dev/null
        cmake --build "build/$preset" --target "$target" -j "$(nproc)" -- --quiet >&2
}

passed=0
failed=0
unsteady=()

# The number that ctest's record says of WHAT: recorded FILE WHAT
recorded()
{
        sed -nE "s/^[[:space:]]*$2=\"([0-9]+)\".*/\\1/p" "$1" | head -n 1
}

# The tests that failed, as ctest's record names them: failures_of FILE
failures_of()
{
        sed -nE 's/^[[:space:]]*<testcase name="([^"]*)".*status="fail".*/\1/p' "$1"
}

# Run the tests of build/PRESET and count them: run_tests PRESET [CTEST-OPTION…]
# Those that fail are run again, alone: what fails only beside others on a busy machine is told of by name, since it is
# worth a look, and does not hide what always fails.
run_tests()
{
        local directory=build/$1 report=$PWD/build/$1/tests.xml again=$PWD/build/$1/again.xml tests failures before names
        shift
        say "testing $directory"
        rm -f "$report" "$again"
        # Many of them wait more than they work.
        ctest --test-dir "$directory" -j $(($(nproc) * 2)) --output-on-failure --output-junit "$report" "$@" || true
        tests=$(recorded "$report" tests || true)
        failures=$(recorded "$report" failures || true)
        if [ "${tests:-0}" -eq 0 ]; then
                say "no test of $directory has run"
                tests=1 failures=1
        elif [ "$failures" -gt 0 ]; then
                before=$failures
                names=$(failures_of "$report" | sed 's/\./\\./g' | paste -sd '|')
                say "once more: ${names//[\\]/}"
                ctest --test-dir "$directory" -R "^($names)\$" --output-on-failure --output-junit "$again" || true
                # Without a record of them all, none has passed.
                if [ "$(recorded "$again" tests || true)" = "$before" ]; then
                        failures=$(recorded "$again" failures)
                        mapfile -t -O ${#unsteady[@]} unsteady < <(comm -23 <(failures_of "$report" | sort) <(failures_of "$again" | sort))
                fi
        fi
        passed=$((passed + tests - failures))
        failed=$((failed + failures))
}

demo()
{
        require "${build_packages[@]}"
        build release all
        local workspace=${XPM_DEMO_WORKSPACE:-$PWD/build/demo}
        say "running share/examples/heat in $workspace"
        # One job at a time, so that the speed-up by threads is not disturbed.
        build/release/bin/xpm run-experiment --workdir "$workspace" -j 1 share/examples/heat/heat.yaml
        cat "$workspace"/experiments/heat/current/jobs/heat.collect/*/table.txt
}

test_all()
{
        local minutes=1
        case ${1-} in
        '') ;;
        --long) minutes=${2-} ;;
        --long=*) minutes=${1#*=} ;;
        *) usage ;;
        esac
        [[ $minutes =~ ^[1-9][0-9]*$ ]] || usage

        require "${build_packages[@]}" "${test_packages[@]}"
        export XPM_FAULT_KILLS=${XPM_FAULT_KILLS-$((minutes * 100))} XPM_FAULT_ROUNDS=${XPM_FAULT_ROUNDS-$((minutes * 20))}
        export XPM_FAULT_DAMAGES=${XPM_FAULT_DAMAGES-$((minutes * 60))}
        build dev all -DXPM_LIBSLURM=ON
        run_tests dev
        build asan all
        XPM_FAULT_STRIDE=7 XPM_FAULT_DAMAGES=$((minutes * 20)) run_tests asan -E '^(fault\.test_(checkers|kernel|slurm_campaign)|integration\.test_(install|mpi|slurm.+))$'
        build tsan threads
        run_tests tsan -R '^(unit\.exec\.test_(pool|local|wire|leftover)|fault\.test_checkers)$'
        build fuzz fuzz -DXPM_FUZZ_SECONDS=$((minutes * 60))
        run_tests fuzz -R '^fuzz\.'
        [ ${#unsteady[@]} -eq 0 ] || echo "failed once and passed alone, worth a look: ${unsteady[*]}"
        echo "$passed passed, $failed failed"
        [ "$failed" -eq 0 ]
}

command=${1-}
[ $# -gt 0 ] && shift
case $command in
demo) demo "$@" ;;
test) test_all "$@" ;;
*) usage ;;
esac

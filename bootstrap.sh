#!/usr/bin/env bash
# Everything from a fresh Debian 12 to results: packages that are missing, configure, build, run.
#
#   ./bootstrap.sh demo                run a real experiment and show its results
#   ./bootstrap.sh test                every test: debug build, sanitizers, a minute of fuzzing
#   ./bootstrap.sh test --long N       the same, with N minutes of fuzzing
#
# It can be run again at no cost: what is installed and built is left as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

build_packages=(build-essential cmake ninja-build pkg-config libyaml-dev libjansson-dev libssl-dev libuv1-dev libpcre2-dev)
test_packages=(libcmocka-dev python3 clang libclang-rt-14-dev clang-format)

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

# build PRESET
build()
{
        local preset=$1
        say "building build/$preset"
        cmake --preset "$preset" --log-level=WARNING >&2
        cmake --build "build/$preset" -j "$(nproc)" -- --quiet >&2
}

passed=0
failed=0

count()
{
        if [ "$1" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# Run the tests of build/PRESET and add what ctest's record says of them to the counts.
run_tests()
{
        local directory=build/$1 report
        report=$PWD/$directory/tests.xml
        say "testing $directory"
        rm -f "$report"
        ctest --test-dir "$directory" -j "$(nproc)" --output-on-failure --output-junit "$report" || true
        if [ ! -s "$report" ]; then
                count 1
                return
        fi
        local tests failures
        tests=$(sed -nE 's/^[[:space:]]*tests="([0-9]+)".*/\1/p' "$report" | head -n 1)
        failures=$(sed -nE 's/^[[:space:]]*failures="([0-9]+)".*/\1/p' "$report" | head -n 1)
        passed=$((passed + tests - failures))
        failed=$((failed + failures))
        [ "$tests" -gt 0 ] || count 1
}

# Fuzz every target for its share of MINUTES.
run_fuzz()
{
        local minutes=$1 target targets name corpus status
        build fuzz
        say "fuzzing for $minutes min"
        targets=(build/fuzz/bin/fuzz_*)
        for target in "${targets[@]}"; do
                name=${target##*/}
                corpus=build/fuzz/corpus/$name
                mkdir -p "$corpus"
                status=0
                "$target" -max_total_time=$((minutes * 60 / ${#targets[@]})) -rss_limit_mb=2048 -timeout=20 \
                        -artifact_prefix="build/fuzz/" -verbosity=0 -print_final_stats=1 \
                        "$corpus" "tests/fuzz/corpus/${name#fuzz_}" || status=$?
                count "$status"
        done
}

demo()
{
        require "${build_packages[@]}"
        build release
        local workspace=${XPM_DEMO_WORKSPACE:-$PWD/build/demo}
        say "running share/examples/heat in $workspace"
        build/release/bin/xpm run-experiment --workdir "$workspace" share/examples/heat/heat.yaml
        cat "$workspace"/jobs/heat.collect/*/table.txt
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
        build dev
        run_tests dev
        build asan
        run_tests asan
        run_fuzz "$minutes"
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

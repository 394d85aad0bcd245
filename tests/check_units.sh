#!/bin/bash
# Every source file has its unit tests: src/ROOM/X.c has tests/unit/ROOM/test_X.c, and so has launchers/NAME/X.c, whose
# room is launchers. Prints every one that is missing; silent and 0 when there is none.
set -u
cd "$(dirname "$0")/.." || exit 2

missing=0
sources=0

# check SOURCE ROOM
check()
{
        local name=${1##*/}
        local test=tests/unit/$2/test_$name
        sources=$((sources + 1))
        [ -f "$test" ] && return
        echo "$1 has no $test"
        missing=$((missing + 1))
}

for source in src/*/*.c; do
        room=${source#src/}
        check "$source" "${room%%/*}"
done
for source in launchers/*/*.c; do
        check "$source" launchers
done

[ "$sources" -gt 2 ] && [ "$missing" -eq 0 ]

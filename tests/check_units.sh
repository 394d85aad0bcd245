#!/bin/bash
# Every source file has its unit tests: src/ROOM/X.c in tests/unit/ROOM/test_X.c, launchers/NAME/X.c in
# tests/unit/launchers/test_X.c. Prints each file that has none; silent and 0 when there is none.
set -u
cd "$(dirname "$0")/.." || exit 2
shopt -s nullglob

sources=(src/*/*.c launchers/*/*.c)
[ "${#sources[@]}" -gt 0 ] || exit 2

missing=0
for source in "${sources[@]}"; do
        case $source in
        launchers/*) room=launchers ;;
        *) room=${source#src/} room=${room%%/*} ;;
        esac
        name=${source##*/}
        wanted=tests/unit/$room/test_$name
        [ -f "$wanted" ] && continue
        echo "$source has no $wanted"
        missing=$((missing + 1))
done

[ "$missing" -eq 0 ]

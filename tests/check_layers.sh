#!/bin/bash
# What the rooms may see of each other, and the shape of files. Prints every offence; silent and 0 when there is none.
#
# A room includes only rooms before it in `order`. The public headers may be included by all. cli sees the public
# headers, base and monitor; its worker command, which is the worker's entry, sees exec too. Launchers include
# <experimaestro/…> and the headers of their own folder. Files have at most 600 lines and names that are unique in the tree.
set -u
cd "$(dirname "$0")/.." || exit 2

order='base model plan workspace exec engine monitor'
offences=0

offence()
{
        echo "$1"
        offences=$((offences + 1))
}

# The rooms that a file of ROOM may include.
visible_from()
{
        case $1 in
        include) echo experimaestro ;;
        cli) echo experimaestro base monitor cli ;;
        *)
                local seen=experimaestro room
                for room in $order; do
                        seen="$seen $room"
                        [ "$room" = "$1" ] && break
                done
                echo "$seen"
                ;;
        esac
}

# check_includes FILE ROOMS…: every "ROOM/x.h" and <experimaestro/x.h> that FILE includes is of these rooms.
check_includes()
{
        local file=$1 included room allowed
        shift
        allowed=" $* "
        while read -r included; do
                room=${included%%/*}
                case $allowed in
                *" $room "*) ;;
                *) offence "$file includes \"$included\": it may see $*" ;;
                esac
        done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*("([^"]+)"|<(experimaestro\/[^>]+)>).*/\2\3/p' "$file")
}

while IFS= read -r file; do
        room=${file#src/}
        room=${room%%/*}
        case $room in
        include | cli) ;;
        *) case " $order " in *" $room "*) ;; *) offence "$file is in no room of the layers" ;; esac ;;
        esac
        allowed=$(visible_from "$room")
        [ "$file" = src/cli/run_worker.c ] && allowed="$allowed exec"
        # shellcheck disable=SC2086 # a list of words
        check_includes "$file" $allowed
done < <(find src -name '*.[ch]' -type f)

while IFS= read -r file; do
        # A launcher sees the headers of its own folder too; a helper is a program of its own, which links the base.
        own=$(cd "${file%/*}" && ls ./*.h 2>/dev/null | sed 's/^..//')
        case $file in */helper/*) own="base $own" ;; esac
        # shellcheck disable=SC2086 # a list of words
        check_includes "$file" experimaestro $own
done < <(find launchers -name '*.[ch]' -type f)

while read -r lines file; do
        [ "$file" = total ] || [ "$lines" -le 600 ] || offence "$file has $lines lines: more than 600 are two rooms"
done < <(find src launchers tests -name '*.[ch]' -type f -exec wc -l {} +)

# A header of the public folder and one of a room may share a name: <experimaestro/experiment.h>, "engine/experiment.h".
while read -r name; do
        [ -n "$name" ] && offence "more than one file is called $name: $(find src launchers tests -name "$name" -type f | paste -sd ' ')"
done < <(find src launchers tests -name '*.[ch]' -type f -not -path 'src/include/*' -printf '%f\n' | sort | uniq -d)

[ "$offences" -eq 0 ]

#!/bin/sh
# Every C file stands as clang-format would write it.
# usage: check_format.sh [CLANG-FORMAT]
set -eu
cd "$(dirname "$0")/.."
find src launchers tests share -name '*.[ch]' -type f -print0 | xargs -0 -r "${1:-clang-format}" --dry-run --Werror

#!/bin/sh
# compile.sh COMPILER DIRECTORY: compiles the C library without Python, warnings being errors, into DIRECTORY/*.o.
# Those of another architecture than the compiler's are left out. OPTIMIZE (default -O3) is passed on.
set -eu
compiler=$1 directory=$2
sources=$(dirname "$0")
flags="-std=gnu11 ${OPTIMIZE:--O3} -ffp-contract=off -fno-math-errno -fno-trapping-math -Wall -Wextra -Werror -I$sources"

compile() { # compile SOURCE FLAGS...
    source=$1
    shift
    # shellcheck disable=SC2086
    "$compiler" $flags "$@" -c "$source" -o "$directory/$(basename "$source" .c).o"
}

mkdir -p "$directory"
rm -f "$directory"/*.o
"$compiler" -E -P "$sources/isa/isas.h" >"$directory/isas"
sed -n 's/^ISA(\([a-z0-9_]*\), "\([^"]*\)".*/\1 \2/p' "$directory/isas" | while read -r isa isa_flags; do
    # shellcheck disable=SC2086
    compile "$sources/isa/${isa}_f32.c" $isa_flags &
    # shellcheck disable=SC2086
    compile "$sources/isa/${isa}_f64.c" $isa_flags
    wait $!
done
for source in "$sources"/runtime/*.c; do compile "$source"; done

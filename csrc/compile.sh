#!/bin/sh
# compile.sh COMPILER DIRECTORY: compiles the C library without Python, warnings being errors, into DIRECTORY/*.o.
# Each ISA's files get its flags (as in setup.py); those of another architecture than the compiler's are left out.
# OPTIMIZE (default -O3) is passed on.
set -eu
compiler=$1 directory=$2
sources=$(dirname "$0")
machine=$("$compiler" -dumpmachine)
flags="-std=gnu11 ${OPTIMIZE:--O3} -ffp-contract=off -fno-math-errno -fno-trapping-math -Wall -Wextra -Werror -I$sources"

mkdir -p "$directory"
rm -f "$directory"/*.o
for source in "$sources"/isa/*.c "$sources"/runtime/*.c; do
    name=$(basename "$source" .c)
    case $name:$machine in
    *avx512*:x86_64*) isa="-mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mprfchw" ;;
    *avx2*:x86_64*) isa="-mavx2 -mfma -mprfchw" ;;
    *neon*:aarch64*) isa="" ;;
    *avx*:* | *neon*:*) continue ;;
    *) isa="" ;;
    esac
    # shellcheck disable=SC2086
    "$compiler" $flags $isa -c "$source" -o "$directory/$name.o"
done

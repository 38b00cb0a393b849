#!/bin/sh
# Compiles the kernels for this machine and for aarch64, runs both, the latter under emulation, and compares what they
# print, bit for bit.
set -eu
cd "$(dirname "$0")/../.."

for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v "$tool" >/dev/null || {
        echo "test-aarch64 skipped: $tool is missing (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)"
        exit 0
    }
done

build() { # build COMPILER DIRECTORY
    sh csrc/compile.sh "$1" "$2"
    "$1" -std=gnu11 -O1 -Wall -Wextra -Werror -Icsrc -static tests/aarch64/bits.c "$2"/*.o -lm -lpthread -o "$2/bits"
}

native=build/aarch64/native cross=build/aarch64/cross
build "${CC:-cc}" $native
build aarch64-linux-gnu-gcc $cross
$native/bits >$native.txt || { grep differs $native.txt; exit 1; }
qemu-aarch64 $cross/bits >$cross.txt || { grep differs $cross.txt; exit 1; }
if diff $native.txt $cross.txt; then
    echo "test-aarch64: $(wc -l <$cross.txt) hashes, the same here and on aarch64"
else
    echo "test-aarch64: these hashes differ between this machine (<) and aarch64 (>)" >&2
    exit 1
fi

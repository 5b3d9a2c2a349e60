#!/usr/bin/env bash
# Checks the loops of Sources/CKernels in C: for aarch64 (NEON) under an emulator, or natively.
#
#   Tests/Kernels/run_on_arm.sh            compiled for aarch64, run by qemu-aarch64
#   Tests/Kernels/run_on_arm.sh --native   compiled for this machine, every level that it has
#
# A tool that is missing is said in one line, and nothing is checked; in CI it is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
options=(-std=gnu11 -O3 -Wall -Wextra -Werror -ISources/CKernels/include)

build() { clang "$@" "${options[@]}" Sources/CKernels/*.c Tests/Kernels/kernels_test.c \
    -o "$folder/kernels_test" -lm -lpthread; }

missing() {
    for tool in clang qemu-aarch64 aarch64-linux-gnu-gcc aarch64-linux-gnu-objdump; do
        command -v "$tool" >/dev/null || { echo "$tool"; return; }
    done
    [ -f /usr/aarch64-linux-gnu/lib/libc.a ] || echo "the C library for aarch64"
}

if [ "${1:-}" = --native ]; then
    command -v clang >/dev/null || { echo "kernels: not checked: clang is missing"; exit 0; }
    build
    "$folder/kernels_test"
    exit
fi

if [ -n "$(missing)" ] && [ -n "${CI:-}" ] && command -v apt-get >/dev/null; then
    sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross >/dev/null
fi
if [ -n "$(missing)" ]; then
    echo "kernels on aarch64: not checked: $(missing) is missing"
    [ -z "${CI:-}" ]
    exit
fi

build --target=aarch64-linux-gnu -fuse-ld=bfd -static

# The products must be made of fused multiply-adds of whole registers: a tile of 6 rows and 16
# columns has 24 of them a step.
aarch64-linux-gnu-objdump -d "$folder/kernels_test" >"$folder/listing"
vectors=$(sed -n '/<portable_rows_4>:/,/^$/p' "$folder/listing" \
    | grep -cE 'fmla\s+v[0-9]+\.4s' || true)
echo "kernels on aarch64: $vectors vector multiply-adds in the products"
[ "$vectors" -ge 24 ] || { echo "kernels on aarch64: the products are not vectors" >&2; exit 1; }
qemu-aarch64 "$folder/kernels_test"

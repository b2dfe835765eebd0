#!/bin/bash
# lint.sh - what a reviewer should not have to look for. Each check prints what it found; all run.
set -u
cd "$(dirname "$0")/../.." || exit
failed=0
passed=0
check() {
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)); echo "ok    $name"; else failed=$((failed + 1)); echo "FAIL  $name"; fi
}

missing=
for tool in clang-format clang-tidy cppcheck pkg-config; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -z "$missing" ] || { echo "missing:$missing (make deps installs them)"; exit 1; }

mapfile -t sources < <(git ls-files '*.c' '*.h')
mapfile -t units < <(git ls-files 'probes/*.c' 'service/*.c' 'api/*.c' 'tests/lab/*.c')

# Versions format differently; the house is kept by this one.
format() {
    clang-format --version | grep -q 'version 14\.' || { echo '      (skipped: not clang-format 14)'; return 0; }
    clang-format --dry-run -Werror "${sources[@]}" 2>&1 | head -40
    return "${PIPESTATUS[0]}"
}
tidy() {
    printf '%s\n' "${units[@]}" | xargs -P2 -n8 sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$@" -- \
        -std=c17 -D_GNU_SOURCE -I. $(pkg-config --cflags libcares libmicrohttpd openssl jansson libidn2 libpsl) \
        2>/dev/null' _
}
cpp() {
    cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --suppressions-list=tests/lint/cppcheck.txt \
        --error-exitcode=1 -D_GNU_SOURCE -I. --include=/usr/include/uthash.h --include=/usr/include/utlist.h -j2 \
        probes service api tests/lab
}
scripts() { ! command -v shellcheck >/dev/null || git ls-files '*.sh' | xargs shellcheck -S warning; }

check format format
check includes tests/lint/includes.sh
check banned tests/lint/banned.sh
check size tests/lint/size.sh
check cppcheck cpp
check clang-tidy tidy
check scripts scripts
echo "lint: $passed passed, $failed failed"
[ $failed = 0 ]

#!/bin/bash
# image_checks.sh docker|podman IMAGE - what a running container of the image promises: not root, no capability,
# nothing writable but /data, an orderly end. Podman is started in a network of its own (image.sh).
. "$(dirname "$0")/common.sh"

engine=$1 image=$2
case $engine in
docker)
    sandbox=()
    port_options=(--publish 127.0.0.1::8080)
    ;;
*)
    ip link set lo up
    # podman's health timers need systemd; a parent of our own, so that no cgroup stays behind
    sandbox=(--no-healthcheck --cgroup-parent /vrfyd-image-check)
    port_options=(--network host)
    ;;
esac
sandbox+=(--read-only --tmpfs /tmp --cap-drop all --security-opt no-new-privileges)

passed=0 failed=0
# check NAME FOUND EXPECTED
check() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        echo "ok    $1"
    else
        failed=$((failed + 1))
        printf 'FAIL  %s\n        expected: %s\n        found:    %s\n' "$1" "$3" "$2"
    fi
}
inside() { "$engine" exec "$container" "$@" 2>&1; }
# once [RUN-OPTION...] -- ARGUMENT... - a container that answers and goes
once() {
    local options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    "$engine" run --rm "${sandbox[@]}" "${options[@]}" "$image" "$@" 2>/dev/null
}
ask() { curl -s -m 10 "$@" 2>&1 || :; }

container=$("$engine" run -d "${sandbox[@]}" "${port_options[@]}" "$image") || fail "the container does not start"
clean() {
    "$engine" rm -f -v "$container" >/dev/null 2>&1
    find /sys/fs/cgroup -depth -type d -path '*/vrfyd-image-check*' -exec rmdir {} + 2>/dev/null
}
trap clean EXIT
url=http://127.0.0.1:8080
[ "$engine" != docker ] || url=http://$("$engine" port "$container" 8080 | head -n 1)
for ((i = 0; i < 100; i++)); do
    curl -fs -m 1 -o /dev/null "$url/healthz" && break
    read -rt 0.1 <> <(:) || :
done

check "healthz answers" "$(ask -o /dev/null -w '%{http_code}' "$url/healthz")" 200
check "vrfyd health inside, as HEALTHCHECK asks" "$(inside vrfyd health >/dev/null; echo $?)" 0
check "HEALTHCHECK is the program itself" \
    "$("$engine" image inspect "$image" | python3 -c 'import json, sys; i = json.load(sys.stdin)[0]
print(json.dumps((i.get("Healthcheck") or i["Config"]["Healthcheck"])["Test"], separators=(",", ":")))')" \
    '["CMD","/usr/local/bin/vrfyd","health"]'
check "the user is not root" "$(inside awk '/^Uid:/ {print $2}' /proc/1/status)" 10001
check "no capability is left" "$(inside awk '/^Cap(Eff|Prm|Bnd):/ {print $2}' /proc/1/status | sort -u)" \
    0000000000000000
check "the root file system is read-only" \
    "$(inside awk '$2 == "/" {print substr($4, 1, 2)}' /proc/1/mounts)" ro
check "nothing of the build is left" "$(inside sh -c 'command -v cc gcc make; dpkg -l | grep -c -e "-dev "')" 0
check "/data/first.key is the user's alone" "$(inside stat -c '%a %u' /data/first.key)" "600 10001"
check "a call without a key is refused" "$(ask -o /dev/null -w '%{http_code}' "$url/v1/policies")" 401
check "a call with the key is answered" "$(ask "$url/v1/verify" -H "Authorization: Bearer $(inside cat /data/first.key)" \
    -H 'Content-Type: application/json' -d '{"email":"nobody@vrfyd.invalid"}' |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["reason"])')" reserved_domain
check "version as argument" "$(once -- version | grep -c '^vrfyd ')" 1
check "syntax as argument" "$(echo '{"email":"jane@vrfyd.example"}' | once -i -- syntax |
    python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["email"])')" jane@vrfyd.example
check "health without a service fails" "$(once --network none -- health >/dev/null; echo $?)" 1
"$engine" stop -t 20 "$container" >/dev/null
check "SIGTERM ends it in order" "$("$engine" inspect -f '{{.State.ExitCode}}' "$container")" 0
check "every log line is JSON" "$("$engine" logs "$container" 2>&1 >/dev/null |
    python3 -c 'import json, sys; print(len([json.loads(line) for line in sys.stdin]) > 1)' 2>&1 | tail -n 1)" True

echo "size: $(($("$engine" image inspect -f '{{.Size}}' "$image") / 1000000)) MB"
echo "$passed passed, $failed failed"
[ $failed = 0 ]

# shellcheck shell=bash
# The container engine: which one there is, whether it will do, how it is called. Sourced by demo.sh and tour.sh.
#
# Laws:
# 1. Docker is taken where its engine answers, else podman. What is missing or too old is one line and exit status 2.
# 2. What programs print on the way is shown only if they fail.

readonly project=gslb-demo
readonly least_docker_compose=2.20.0  # profiles, secrets by file, ${VARIABLE:?message}, and a name in the file
readonly least_podman_compose=1.3.0
demo=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly demo

die() { # one line, exit status 2
    echo "${0##*/}: $1" >&2
    exit 2
}

now_ms() {
    local at=${EPOCHREALTIME//[.,]/}
    echo "${at%???}"
}

# ---------------------------------------------------------------- which engine

find_engine() { # sets engine and compose_command (law 1)
    if docker info >/dev/null 2>&1; then
        engine=docker
        find_docker_compose
    elif podman info >/dev/null 2>&1; then
        engine=podman
        find_podman_compose
    else
        die "no container engine: neither docker nor podman answers; install one, or start its service"
    fi
}

find_docker_compose() {
    local version
    if version=$(docker compose version --short 2>/dev/null); then
        compose_command=(docker compose)
        need_version "docker compose" "${version#v}" "$least_docker_compose"
    elif version=$(docker-compose version --short 2>/dev/null); then
        compose_command=(docker-compose)
        need_version docker-compose "${version#v}" "$least_docker_compose"
    else
        die "docker has no compose: install its plugin (docker-compose-plugin), $least_docker_compose or newer"
    fi
}

find_podman_compose() {
    local version
    version=$(podman-compose version 2>/dev/null | sed -n 's/^podman-compose version[: ]*\([0-9.]*\).*/\1/p') || version=
    [[ $version ]] || die "podman has no compose: install podman-compose, $least_podman_compose or newer"
    compose_command=(podman-compose)
    need_version podman-compose "$version" "$least_podman_compose"
}

need_version() { # need_version NAME FOUND LEAST
    local first
    first=$(printf '%s\n%s\n' "$3" "$2" | sort -V | head -n 1)
    [[ $first == "$3" ]] || die "$1 is $2, which is too old: $3 is the least"
}

# ---------------------------------------------------------------- calling it

compose() {
    (cd "$demo" && "${compose_command[@]}" --file docker-compose.yml "$@")
}

container() { # the container of a service
    echo "$project-$1"
}

within() { # within SERVICE COMMAND...: runs it in a container
    "$engine" exec "$(container "$1")" "${@:2}"
}

is_running() {
    [[ $("$engine" inspect --format '{{.State.Running}}' "$(container "$1")" 2>/dev/null) == true ]]
}

kill_it() { "$engine" kill "$(container "$1")" >/dev/null; }
stop_it() { quietly "$engine" stop "$(container "$1")"; }
start_it() { quietly "$engine" start "$(container "$1")"; }

quietly() { # law 2
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    ((status == 0)) || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

# ---------------------------------------------------------------- ports of the host

dns_port() { # dns_port 1|2
    local name=DEMO_DNS$1
    echo "${!name:-$((5299 + $1))}"
}

admin_port() {
    local name=DEMO_ADMIN$1
    echo "${!name:-$((8052 + $1))}"
}

need_free_ports() {
    local number
    for number in 1 2; do
        need_free udp "$(dns_port $number)" "DEMO_DNS$number"
        need_free tcp "$(dns_port $number)" "DEMO_DNS$number"
        need_free tcp "$(admin_port $number)" "DEMO_ADMIN$number"
    done
}

need_free() { # need_free udp|tcp PORT VARIABLE
    [[ $2 =~ ^[0-9]{1,5}$ ]] || die "$3 is no port: $2"
    if is_taken "$1" "$2"; then
        die "port $2 ($1) of this host is in use: stop who uses it, or set $3 to another one"
    fi
}

is_taken() { # as the kernel lists its sockets; a system without such lists leaves it to the engine
    local files=() file
    for file in "${proc_net:=/proc/net}/$1" "$proc_net/${1}6"; do
        [[ -r $file ]] && files+=("$file")
    done
    ((${#files[@]})) || return 1
    # A TCP socket that listens has state 0A, a UDP one that is bound 07. 0100007F is 127.0.0.1, zeros are any address.
    awk -v port="$(printf '%04X' "$2")" '
        $4 == "0A" || $4 == "07" {
            split($2, local, ":")
            if (local[2] == port && (local[1] == "0100007F" || local[1] ~ /^0+$/)) found = 1
        }
        END { exit !found }' "${files[@]}"
}

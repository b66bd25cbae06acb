#!/usr/bin/env bash
# The demo in containers: up, down, or up, tour and down.
#
#   compose/demo.sh up [--detach]   builds it, starts it, waits until it serves, shows what to ask and what ns1 sees;
#                                   Ctrl-C takes it down. With --detach it stays.
#   compose/demo.sh down            takes it down, with its networks and volumes
#   compose/demo.sh test            up, the tour, down; exit status of the tour
#
# Exit status 2: it cannot run here, and one line says why.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"
readonly ready_s=120  # a cold machine with two cores takes half of it
readonly regions=(eu-west us-east ap-south)

main() {
    case "${1:-} ${2:-}" in
    "up ") up && follow ;;
    "up --detach") up && echo "take it down: make demo-compose-down" ;;
    "down ") find_engine && down ;;
    "test ") test_it ;;
    *) die "usage: demo.sh up [--detach] | down | test" ;;
    esac
}

up() {
    find_engine
    is_running ns1 || need_free_ports
    "$demo/secrets.sh"
    timed "built two images" build
    timed "started the containers" compose up --detach
    timed "every region's clients reach their own region" wait_until_ready
    show_help
}

timed() { # timed WORDS COMMAND...
    local from
    from=$(now_ms)
    quietly "${@:2}" || die "failed: ${*:2}"
    printf '%5.1f s  %s\n' "$((($(now_ms) - from) / 100))e-1" "$1"
}

build() { # each image once: many services share it
    compose build parent &
    compose build ns1 && wait $!
}

wait_until_ready() {
    local deadline=$(($(now_ms) + ready_s * 1000)) region
    for region in "${regions[@]}"; do
        until is_home "$region"; do
            (($(now_ms) < deadline)) || { echo "$region does not serve its clients within $ready_s s"; return 1; }
            sleep 0.3
        done
    done
    until within sentinel1 redis-cli -p 26379 sentinel master gslb | grep -A1 '^num-slaves' | grep -q '^1'; do
        (($(now_ms) < deadline)) || { echo "the Sentinels know of no replica within $ready_s s"; return 1; }
        sleep 0.5
    done
}

is_home() { # whether a region's client is sent to that region
    [[ $(within "$1-client" curl --silent --max-time 2 http://www.gslb.shop.example/) == "$1 "* ]]
}

show_help() {
    cat <<TEXT

ask a name server   dig @127.0.0.1 -p $(dns_port 1) www.gslb.shop.example +subnet=198.18.2.0/24
                    dig @127.0.0.1 -p $(dns_port 1) www.gslb.shop.example +subnet=193.0.6.0/24
as a client         $engine exec $(container eu-west-client) dig www.shop.example
in a region         $engine exec $(container eu-west-client) curl -s http://www.shop.example/
who sees what       $engine exec $(container ns1) gslb status --admin 127.0.0.1:8053
a proxy             $engine exec $(container eu-west-l7a) gslb proxy-status --admin 127.0.0.1:8111
admin port          curl -s -H "Authorization: Bearer \$(cat compose/secrets/admin.token)" http://127.0.0.1:$(admin_port 1)/metrics
break things        compose/tour.sh

TEXT
}

follow() {
    trap 'echo; down; exit 0' INT TERM
    echo "what ns1 sees; Ctrl-C takes the demo down"
    "$engine" logs --follow --tail 5 "$(container ns1)" &
    wait $! || true
    down
}

down() {
    timed "took it down" compose --profile liar down --volumes --timeout 5
}

test_it() {
    local status=0
    find_engine
    is_running ns1 || need_free_ports
    trap 'down' EXIT
    up
    "$demo/tour.sh" || status=$?
    exit "$status"
}

main "$@"

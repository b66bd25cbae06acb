#!/usr/bin/env bash
# A walk through the running demo: things break, and each step says what must happen, by when, and what happened.
#
#   compose/tour.sh
#
# Laws:
# 1. Whoever asks is a client in a region: curl by name, through the resolver, some four times a second from each region, all
#    the way. Where a step says that no request fails, all that these sent count.
# 2. Every time is that of a client's request, or of an event, since the step began; a step waits for what must happen,
#    and no longer than its limit.
# 3. Exit status 0 only if all was as told. However it ends, it puts back what it took away.
# Single quotes below hold programs of awk.
# shellcheck disable=SC2016
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"
readonly every_s=0.2 hold_ms=1500  # hold_ms: how long what has come is watched

# ---------------------------------------------------------------- the steps

main() {
    find_engine
    command -v curl >/dev/null || die "curl is not installed: the tour asks the admin ports with it"
    is_running ns1 || die "the demo does not run: make demo-compose ARGS=--detach"
    work=$(mktemp -d)
    trap clean_up EXIT
    begun=$(now_ms)
    start_streams
    everybody_is_at_home
    a_name_server_dies
    a_region_dies
    a_region_is_drained
    redis_fails_over
    an_agent_lies
    a_proxy_is_replaced
    a_proxy_dies
    conclude
}

everybody_is_at_home() {
    step "Everybody is at home" "clients in three regions ask for www.shop.example"
    local region
    for region in eu-west us-east ap-south; do
        await 20 "$region is served by $region" first_from "$region" "$region"
        expect "the backend was told whose request it is" "$(last_client "$region")" "$(client_address "$region")"
        expect "dig says the same" "$(ask_resolver "$region" www.shop.example A | cut -d ' ' -f 1)" "$(last_address "$region")"
    done
    expect "the parent delegates to two name servers" "$(ask_resolver eu-west gslb.shop.example NS)" \
        "ns1.gslb.shop.example. ns2.gslb.shop.example."
    none_failed eu-west us-east ap-south
}

a_name_server_dies() {
    step "A name server dies" "kills ns2; the resolver still knows it"
    kill_it ns2
    hold 3000
    none_failed eu-west us-east ap-south
    start_it ns2
    await 60 "ns2 is back, and knows all sites" metric_is 2 gslb_site_up 1 1 1
    none_failed eu-west us-east ap-south
}

a_region_dies() {
    step "A region dies" "kills the address of eu-west"
    kill_it eu-west-vip
    await 9 "its clients are served by another region (3 checks x 1 s + 1 s timeout + 3 s TTL + 2 s)" first_elsewhere eu-west eu-west
    tell "their requests that failed meanwhile" "$(count_failed eu-west) in $(failing_ms eu-west) ms"
    mark=$(now_ms)
    hold "$hold_ms"
    none_failed eu-west
    from_step none_failed us-east ap-south
    mark=$(now_ms)
    start_it eu-west-vip
    await 60 "started again, it has its clients back (start + 2 checks x 1 s + TTL)" first_from eu-west eu-west
    none_failed eu-west us-east ap-south
}

a_region_is_drained() {
    step "A region is drained" "gslb drain us-east at ns1; ns2 hears of it through Redis"
    order 1 drain us-east --reason "the tour"
    mark=$(now_ms)
    await 5 "its clients are served by another region (3 s TTL + 2 s)" first_elsewhere us-east us-east
    await 5 "the order is known at ns2" metric_is 2 'gslb_site_drained{site="us-east"}' 1
    mark=$(now_ms)
    hold "$hold_ms"
    nobody_comes us-east us-east
    order 2 undrain us-east
    mark=$(now_ms)
    await 5 "undrained at ns2, it has them back (3 s TTL + 2 s)" first_from us-east us-east
    from_step none_failed eu-west us-east ap-south
}

redis_fails_over() {
    local before
    before=$(redis_primary)
    step "Redis fails over" "kills the primary, $before"
    kill_it "$before"
    await 12 "the Sentinels have another primary (2 s until it counts as down + their vote)" primary_is_not "$before"
    await 60 "ns1 is connected to it" store_is_back 1
    await 60 "ns2 is connected to it" store_is_back 2
    hold "$hold_ms"
    await 60 "all agents are heard through it" agents_are_heard
    from_step nobody_moved
    order 1 drain ap-south --reason "the tour"
    mark=$(now_ms)
    await 5 "an order at ns1 is known at ns2" metric_is 2 'gslb_site_drained{site="ap-south"}' 1
    order 1 undrain ap-south
    mark=$(now_ms)
    start_it "$before"
    await 60 "the old primary is back, as replica" replica_is_well
    from_step none_failed eu-west us-east ap-south
}

an_agent_lies() {
    step "An agent lies" "ap-south's agent signs that all sites are down"
    stop_it ap-south-agent
    mark=$(now_ms)
    start_liar
    await 60 "it loses its vote (start + 3 checks x 1 s)" lie_is_known
    hold "$hold_ms"
    from_step nobody_moved
    from_step none_failed eu-west us-east ap-south
    stop_it liar
    mark=$(now_ms)
    start_it ap-south-agent
    await 60 "an honest one in its place has the vote back (start + 2 checks x 1 s)" votes_are 1 1 1
    from_step nobody_moved
}

start_liar() { # a second tour finds it there, stopped
    start_it liar 2>/dev/null || quietly compose --profile liar up --detach --no-deps liar
}

a_proxy_is_replaced() {
    step "Proxies are replaced while they serve" "hot restart of eu-west's address, then of one behind it"
    local name replaced
    for name in eu-west-vip eu-west-l7a; do
        replaced=$(count_log "$name" replaced)
        mark=$(now_ms)
        "$engine" kill --signal USR2 "$(container "$name")" >/dev/null
        await 60 "$name: a new process serves" logged_more "$name" replaced "$replaced"
    done
    hold "$hold_ms"
    from_step none_failed eu-west
    from_step nobody_moved
}

a_proxy_dies() {
    step "A proxy dies" "kills eu-west-l7b, one of two"
    kill_it eu-west-l7b
    await 5 "its address stops sending clients there (2 checks x 0.5 s)" logged_since eu-west-vip '"backend": "l7/l7b".*"state": "down"'
    hold "$hold_ms"
    at_most_failed 1 eu-west
    tell "the slowest request took" "$(slowest_ms eu-west) ms"
    from_step nobody_moved
    mark=$(now_ms)
    start_it eu-west-l7b
    await 60 "started again, it is used again" logged_since eu-west-vip '"backend": "l7/l7b".*"state": "up"'
    none_failed eu-west
}

# ---------------------------------------------------------------- what is told

step() { # step TITLE WHAT: everything is measured from here on
    mark=$(now_ms)
    step_mark=$mark
    steps=$((${steps:-0} + 1))
    printf '\n%s%d. %s%s\n   %s\n' "$bold" "$steps" "$1" "$plain" "$2"
}

pass() { # pass WHAT SEEN
    printf '   %sok%s     %s -> %s\n' "$green" "$plain" "$1" "$2"
}

fail() {
    printf '   %sNOT SO%s %s -> %s\n' "$red" "$plain" "$1" "$2"
    failures=$((${failures:-0} + 1))
}

tell() {
    printf '          %s: %s\n' "$1" "$2"
}

expect() { # expect WHAT SEEN EXPECTED
    if [[ $2 == "$3" ]]; then pass "$1" "$2"; else fail "$1" "${2:-nothing}, not $3"; fi
}

await() { # await LIMIT_S WHAT CHECK...: until CHECK says when it was so, in milliseconds since 1970
    local limit_ms=$(($1 * 1000)) what="$2, within $1 s" at
    shift 2
    until at=$("$@"); do
        if (($(now_ms) - mark > limit_ms)); then
            fail "$what" "not yet${at:+: $at}"
            return
        fi
        sleep 0.1
    done
    if ((at - mark <= limit_ms)); then pass "$what" "after $(seconds $((at - mark)))"; else fail "$what" "after $(seconds $((at - mark)))"; fi
}

hold() { # goes on for a while, so that what comes after is seen, too
    sleep "$(seconds_number "$1")"
}

from_step() { # from_step CHECK...: of all that was asked since the step began
    local mark=$step_mark
    "$@"
}

seconds() { echo "$(seconds_number "$1") s"; }
seconds_number() { printf '%d.%02d' $(($1 / 1000)) $(($1 % 1000 / 10)); }

conclude() {
    local took sent
    took=$(seconds $(($(now_ms) - begun)))
    sent=$(cat "$work"/*.web | wc -l)
    if ((${failures:-0})); then
        printf '\n%s%d points were not as told%s, in %s\n' "$red" "$failures" "$plain" "$took"
        exit 1
    fi
    mended=yes
    printf '\n%sall was as told%s: %d steps, %d requests, %s\n' "$green" "$plain" "$steps" "$sent" "$took"
}

# ---------------------------------------------------------------- what clients got
# Lines of programs/ask: AT_MS STATUS MS ADDRESS SITE BACKEND CLIENT.

start_streams() {
    local region open
    mkfifo "$work/open"
    exec {open}<>"$work/open" # a standard input that says nothing, and ends with the engine's process
    streams=()
    for region in eu-west us-east ap-south; do
        "$engine" exec --interactive "$(container "$region-client")" /opt/demo/ask "$every_s" \
            <&"$open" >"$work/$region.web" 2>/dev/null &
        streams+=($!)
    done
}

since_mark() { # since_mark REGION PROGRAM: awk over what its client got since the mark
    awk -v mark="$mark" "\$1 >= mark { $2 }" "$work/$1.web"
}

first_from() { first_line "$1" "\$5 == \"$2\""; }
first_elsewhere() { first_line "$1" "\$2 == 200 && \$5 != \"$2\""; }
first_line() {
    local at
    at=$(since_mark "$1" "if ($2) { printf \"%.0f\", \$1 + \$3; exit }")
    [[ $at ]] && echo "$at"
}

last_address() { tail -n 1 "$work/$1.web" | cut -d ' ' -f 4; }
last_client() { tail -n 1 "$work/$1.web" | cut -d ' ' -f 7; }
client_address() { within "$1-client" hostname -i; }
count_failed() { since_mark "$1" 'if ($2 != 200) print' | wc -l; }
count_sent() { since_mark "$1" 'print' | wc -l; }
slowest_ms() { since_mark "$1" 'if ($3 > most) most = $3; print most' | tail -n 1; }
failing_ms() { # from the first request that failed to the first good one after it
    since_mark "$1" 'if ($2 != 200 && !first) first = $1; if ($2 == 200 && first) { printf "%.0f", $1 - first; exit }'
}

none_failed() { at_most_failed 0 "$@"; }
at_most_failed() { # at_most_failed NUMBER REGION...
    local failed=0 sent=0 region what
    for region in "${@:2}"; do
        failed=$((failed + $(count_failed "$region")))
        sent=$((sent + $(count_sent "$region")))
    done
    what="no request fails"
    ((!$1)) || what="no request fails but $1 at most that was on its way there"
    if ((failed <= $1 && sent > 0)); then
        pass "$what" "$((sent - failed)) of $sent"
    else
        fail "$what" "$failed of $sent failed"
        for region in "${@:2}"; do
            since_mark "$region" 'if ($2 != 200) print "          " $0' | head -n 3
        done
    fi
}

nobody_moved() { # every request of all regions was served at home
    local away=0 sent=0 region
    for region in eu-west us-east ap-south; do
        away=$((away + $(since_mark "$region" "if (\$2 == 200 && \$5 != \"$region\") print" | wc -l)))
        sent=$((sent + $(count_sent "$region")))
    done
    if ((away == 0 && sent > 0)); then
        pass "no answer changes" "$sent of $sent at home"
    else
        fail "no answer changes" "$away of $sent elsewhere"
    fi
}

nobody_comes() { # nobody_comes REGION SITE: no client of the region is served by the site
    local came sent
    came=$(since_mark "$1" "if (\$5 == \"$2\") print" | wc -l)
    sent=$(count_sent "$1")
    if ((came == 0 && sent > 0)); then
        pass "none of them comes back" "0 of $sent"
    else
        fail "none of them comes back" "$came of $sent"
    fi
}

ask_resolver() { # ask_resolver REGION NAME TYPE: sorted, on one line
    within "$1-client" dig +short "$2" "$3" | sort | paste -s -d ' '
}

# ---------------------------------------------------------------- what name servers, Sentinels and proxies say

metrics() { # metrics 1|2: of ns1 or ns2. The token goes by stdin: arguments can be read by everybody.
    printf 'header = "Authorization: Bearer %s"\n' "$(<"$demo/secrets/admin.token")" |
        curl --silent --max-time 2 --config - "http://127.0.0.1:$(admin_port "$1")/metrics"
}

metric_is() { # metric_is 1|2 NAME VALUE...: whether all samples that begin with NAME have these values, in order
    local seen
    seen=$(metrics "$1" | awk -v name="$2" 'index($1, name) == 1 { printf "%s%d", gap, $2; gap = " " }') || true
    now_if "$seen" "${*:3}"
}

votes_are() { metric_is 1 gslb_agent_vote "$@"; }

agents_are_heard() { # whether no agent's last report is older than the second after which there is another one
    metrics 1 | awk '
        index($1, "gslb_agent_age_seconds") == 1 { heard += $2 < 1.5; number++ }
        END { exit !(number == 3 && heard == 3) }' && now_ms
}

now_if() { # now_if SEEN EXPECTED
    [[ $1 == "$2" ]] || { echo "${1:-nothing}"; return 1; }
    now_ms
}

lie_is_known() { # no vote, and not for being silent
    if status 1 | grep -q 'ap-south .* no .*contradicts'; then now_ms; else return 1; fi
}

status() { within "ns$1" gslb status --admin 127.0.0.1:8053; }

order() { # order 1|2 drain|undrain SITE [OPTION...]: at ns1 or ns2
    local said
    said=$(within "ns$1" gslb "${@:2}" --owner tour --admin 127.0.0.1:8053 2>&1) || { fail "$2 $3" "$said"; return; }
    tell "gslb says" "$said"
}

store_is_back() { # store_is_back 1|2: since when a name server is connected, if that is not from before the mark
    metrics "$1" | awk -v mark="$mark" '
        index($1, "gslb_store_connected") == 1 { connected = $2 }
        $1 == "gslb_store_since_timestamp_seconds" { at = $2 * 1000 }
        END { if (!connected || at < mark) exit 1; printf "%.0f", at }'
}

redis_primary() { # redis1 or redis2
    local address
    address=$(sentinel get-master-addr-by-name gslb | head -n 1)
    echo "redis${address##*.2}"
}

primary_is_not() {
    local primary
    primary=$(redis_primary)
    [[ $primary == redis[12] && $primary != "$1" ]] || return 1
    now_ms
}

replica_is_well() { # the Sentinels see the replica, and it is linked to the primary
    local told
    told=$(sentinel replicas gslb)
    if grep -A1 '^flags' <<<"$told" | grep -qx slave && grep -A1 '^master-link-status' <<<"$told" | grep -qx ok; then
        now_ms
    else
        return 1
    fi
}

sentinel() { within sentinel1 redis-cli -p 26379 sentinel "$@"; }

count_log() { "$engine" logs "$(container "$1")" 2>&1 | grep -c "\"event\": \"$2\"" || true; }
logged_more() { # logged_more SERVICE EVENT NUMBER
    (($(count_log "$1" "$2") > $3)) && now_ms
}
logged_since() { # logged_since SERVICE PATTERN
    "$engine" logs --since "$(date -u -d "@$((mark / 1000))" +%Y-%m-%dT%H:%M:%SZ)" "$(container "$1")" 2>&1 | grep -q "$2" && now_ms
}

# ---------------------------------------------------------------- the end

clean_up() { # law 3; a walk on which all was as told has put back everything itself
    local stream service
    for stream in "${streams[@]}"; do
        kill "$stream" 2>/dev/null || true
    done
    wait
    rm -rf "$work"
    [[ -z ${mended:-} ]] || return 0
    if is_running liar; then "$engine" stop "$(container liar)" >/dev/null 2>&1 || true; fi
    for service in ns2 eu-west-vip eu-west-l7b redis1 redis2 ap-south-agent; do
        is_running "$service" || "$engine" start "$(container "$service")" >/dev/null 2>&1 || true
    done
    for service in us-east ap-south; do
        within ns1 gslb undrain "$service" --owner tour --admin 127.0.0.1:8053 >/dev/null 2>&1 || true
    done
}

if [[ -t 1 ]]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31;1m' plain=$'\e[0m'
else
    bold='' green='' red='' plain=''
fi
main

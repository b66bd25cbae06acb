#!/usr/bin/env bash
# Makes what the demo must not share: keys, passwords, the token; and the configuration that says who holds them.
#
#   compose/secrets.sh
#
# Laws:
# 1. What is there is kept, so it may be run again at any time; delete compose/secrets to have all of it new.
# 2. Private files are 0600 from the moment they exist, and belong to who the containers run as: whoever runs this, or
#    for root the image's own user. compose/.env tells docker-compose.yml who that is.
# 3. Nothing secret is an argument of a program, or printed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
secrets=$here/secrets
config=$secrets/config
readonly here secrets config
readonly regions=(eu-west us-east ap-south)
readonly image_user=10001:10001

main() {
    command -v openssl >/dev/null || fail "openssl is not installed: it makes the agents' keys"
    umask 077
    mkdir -p "$secrets"
    local region name
    for region in "${regions[@]}"; do
        make_key "agent-$region.key"
    done
    make_random admin.token
    for name in replica sentinel server "${regions[@]/#/agent-}" "${regions[@]/#/proxy-}"; do
        make_random "redis-$name.password"
    done
    render_private users.acl redis-users.acl digest_of
    render_private redis.conf redis.conf content_of
    render_private sentinel.conf sentinel.conf content_of
    render_configuration
    hand_over
}

fail() {
    echo "secrets.sh: $1" >&2
    exit 2
}

make_key() { # an Ed25519 key, as `gslb agent-key` makes it
    [[ -s $secrets/$1 ]] || { openssl genpkey -algorithm ed25519 -out "$secrets/$1.new" 2>/dev/null \
        && mv "$secrets/$1.new" "$secrets/$1"; } || fail "this openssl makes no Ed25519 keys: it needs version 1.1.1"
}

make_random() { # 256 bits as 43 letters, digits, - and _
    [[ -s $secrets/$1 ]] && return
    openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n' >"$secrets/$1.new"
    mv "$secrets/$1.new" "$secrets/$1"
}

content_of() { cat "$secrets/$1"; }
digest_of() { openssl dgst -sha256 -r "$secrets/$1" | cut -d ' ' -f 1; }
public_of() { openssl pkey -in "$secrets/$1" -pubout -outform DER | tail -c 32 | openssl base64; }

marker() { # redis-agent-eu-west -> AGENT_EU_WEST
    tr 'a-z-' 'A-Z_' <<<"$1"
}

write() { # whole or not at all; programs that have it open read on
    cat >"$1.new"
    mv "$1.new" "$1"
}

substitute() { # text with what is between two @ replaced: substitute FILE MARKER VALUE ...
    local text
    text=$(<"$here/config/$1")
    shift
    while (($#)); do
        text=${text//@$1@/$2}
        shift 2
    done
    if [[ $text =~ @[A-Z_]+@ ]]; then
        fail "compose/config has ${BASH_REMATCH[0]}, which nothing is known of"
    fi
    printf '%s\n' "$text"
}

render_private() { # render_private TEMPLATE NAME content_of|digest_of
    local name values=()
    for name in "$secrets"/redis-*.password; do
        name=${name##*/redis-}
        values+=("$(marker "${name%.password}")" "$("$3" "redis-$name")")
    done
    substitute "$1" "${values[@]}" | write "$secrets/$2"
}

render_configuration() { # what the containers read: nothing of it is secret
    local region values
    values=(TOKEN "$(digest_of admin.token)")
    for region in "${regions[@]}"; do
        values+=("KEY_$(marker "$region")" "$(public_of "agent-$region.key")")
    done
    umask 022
    mkdir -p "$config/zones"
    chmod 755 "$secrets" "$config" "$config/zones"
    substitute gslb.yaml "${values[@]}" | write "$config/gslb.yaml"
    sed 's/^node: ns1$/node: ns2/' "$config/gslb.yaml" | write "$config/ns2.yaml"
    # What an agent that lies goes by: it finds every site down, whatever the sites do.
    sed 's#path: /healthz, host: www#path: /lie, host: www#' "$config/gslb.yaml" | write "$config/liar.yaml"
    write "$config/zones/shop.yaml" <"$here/config/zones/shop.yaml"
}

hand_over() { # law 2
    local user
    user=$(id -u):$(id -g)
    if [[ $(id -u) == 0 ]]; then
        user=$image_user
        chown -R "$user" "$secrets"
    fi
    printf '# Written by secrets.sh: who owns the secrets, and so who the containers run as.\nDEMO_USER=%s\n' "$user" |
        write "$here/.env"
}

main

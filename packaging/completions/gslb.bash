# Written by python -m gslb.cli.completions; do not edit.
_gslb() {
    local current=${COMP_WORDS[COMP_CWORD]} command="" offered="" word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$command:$word" in
            *:-*) ;;
            :*) command=$word ;;
            geo:*) command="geo $word" ;;
        esac
    done
    case "$command" in
        "") offered="serve probe proxy proxy-status status events drain undrain force unforce maint unmaint explain check delegation healthcheck schema agent-key token demo geo --version --help" ;;
        geo) offered="build lookup --help" ;;
        "serve")
            [[ $current == -* ]] && offered="--help" ;;
        "probe")
            [[ $current == -* ]] && offered="--agent --key --help" ;;
        "proxy")
            [[ $current == -* ]] && offered="--replace --render --help" ;;
        "proxy-status")
            [[ $current == -* ]] && offered="--watch --once --config --admin --token-file --json --help" ;;
        "status")
            [[ $current == -* ]] && offered="--watch --config --admin --token-file --json --help" ;;
        "events")
            [[ $current == -* ]] && offered="--count --follow --config --admin --token-file --json --help" ;;
        "drain")
            [[ $current == -* ]] && offered="--reason --until --owner --force --config --admin --token-file --json --help" ;;
        "undrain")
            [[ $current == -* ]] && offered="--reason --owner --config --admin --token-file --json --help" ;;
        "force")
            [[ $current == -* ]] && offered="--reason --until --owner --force --config --admin --token-file --json --help" ;;
        "unforce")
            [[ $current == -* ]] && offered="--reason --owner --config --admin --token-file --json --help" ;;
        "maint")
            [[ $current == -* ]] && offered="--reason --until --owner --force --config --admin --token-file --json --help" ;;
        "unmaint")
            [[ $current == -* ]] && offered="--reason --owner --config --admin --token-file --json --help" ;;
        "explain")
            [[ $current == -* ]] && offered="--client --config --server --admin --token-file --down --json --help" ;;
        "check")
            [[ $current == -* ]] && offered="--json --help" ;;
        "delegation")
            [[ $current == -* ]] && offered="--config --json --help" ;;
        "healthcheck")
            [[ $current == -* ]] && offered="--proxy --timeout --json --watch --interval --rise --fall --on-up --on-down --help" ;;
        "schema")
            [[ $current == -* ]] && offered="--zone --help" ;;
        "agent-key")
            [[ $current == -* ]] && offered="--output --json --help" ;;
        "token")
            [[ $current == -* ]] && offered="--json --help" ;;
        "demo")
            [[ $current == -* ]] && offered="--tour --config --redis --json --help" ;;
        "geo build")
            [[ $current == -* ]] && offered="--output --ipv4 --ipv6 --format --epoch --description --json --help" ;;
        "geo lookup")
            [[ $current == -* ]] && offered="--database --config --json --help" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$offered" -- "$current")
}
complete -o default -F _gslb gslb

#!/bin/sh
# Send files to DfE's file exchange, and collect what is new. Needs a shell and OpenSSH.
#
#   HOST=... USER_NAME=YOU KEY=... KNOWN_HOSTS=... sh exchange.sh send declarations.csv
#   HOST=... USER_NAME=YOU KEY=... KNOWN_HOSTS=... sh exchange.sh collect INTO
#
# Ends with 0 when it is done, and with another number when it could not: run it again, it carries on.
set -eu

talk() {
    # Commands come on standard input; the first that fails ends it. A server that is not in KNOWN_HOSTS is not talked to.
    sftp -q -b - -P "${PORT:-2222}" -i "$KEY" -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes \
        -o "UserKnownHostsFile=$KNOWN_HOSTS" "$USER_NAME@$HOST" >/dev/null
}

send() {
    for file in "$@"; do
        name=$(basename "$file")
        printf 'put "%s" "to-dfe/%s.part"\nrename "to-dfe/%s.part" "to-dfe/%s"\n' "$file" "$name" "$name" "$name" | talk
        echo "sent $name"
    done
}

is_whole() {
    # Name and SHA-256 of each file, as the folder's last file lists them.
    for last in manifest.json receipt.json; do
        [ -f "$1/$last" ] || continue
        awk -F'"' '/^  "files": \[/ { inside = 1 } inside && $2 == "name" { name = $4 }
            inside && $2 == "sha256" { print $4 "  " name }' "$1/$last" >"$1/.sums"
        (cd "$1" && { [ ! -s .sums ] || sha256sum --status -c .sums; }) && ok=0 || ok=1
        rm -f "$1/.sums"
        return $ok
    done
    return 0
}

collect() {
    mkdir -p "$1"
    cd "$1"
    last=$(cat collected.txt 2>/dev/null || echo 0)
    echo "get from-dfe/index.csv .index.csv" | talk
    awk -F, -v last="$last" 'NR > 1 && $1 > last && !seen[$4]++ { print $4 }' .index.csv |
        while read -r path; do
            mkdir -p "$path"
            tries=0
            # A folder may be replaced while it is read: then its files are not those of its manifest.
            until echo "get -r $path $(dirname "$path")/" | talk && is_whole "$path"; do
                tries=$((tries + 1))
                [ "$tries" -lt 5 ] || { echo "exchange: $path changed while it was read" >&2; exit 1; }
            done
            echo "collected $path"
        done
    awk -F, -v last="$last" 'NR > 1 { last = $1 } END { print last }' .index.csv >collected.txt
    mv .index.csv index.csv
}

what=$1
shift
case $what in
send) send "$@" ;;
collect) collect "$1" ;;
*) echo "exchange: send FILE..., or collect INTO" >&2; exit 2 ;;
esac

#!/bin/sh
# Send files to DfE's file exchange, and collect what is new. Needs a shell, OpenSSH, and sha256sum or shasum.
#
#   HOST=... USER_NAME=YOU KEY=... KNOWN_HOSTS=... sh exchange.sh send declarations.csv
#   HOST=... USER_NAME=YOU KEY=... KNOWN_HOSTS=... sh exchange.sh collect INTO
#
# PORT is 2222 if you do not give it. Ends with 0 when it is done, and with another number when it could not: run it again, it
# carries on.
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

sums_agree() {
    if command -v sha256sum >/dev/null; then sha256sum -c .sums; else shasum -a 256 -c .sums; fi >/dev/null 2>&1
}

is_whole() {
    # Name and SHA-256 of each file, as the folder's last file lists them.
    for last in manifest.json receipt.json; do
        [ -f "$1/$last" ] || continue
        awk -F'"' '/^  "files": \[/ { inside = 1 } inside && $2 == "name" { name = $4 }
            inside && $2 == "sha256" { print $4 "  " name }' "$1/$last" >"$1/.sums"
        (cd "$1" && { [ ! -s .sums ] || sums_agree; }) && ok=0 || ok=1
        rm -f "$1/.sums"
        return $ok
    done
    return 0
}

collect() {
    into=$1
    mkdir -p "$into"
    last=$(cat "$into/collected.txt" 2>/dev/null || echo 0)
    echo "get from-dfe/index.csv \"$into/.index.csv\"" | talk
    # Of a folder that was replaced, the newest line alone; a line's number, then its folder.
    awk -F, -v last="$last" 'NR > 1 && $1 > last { newest[$4] = $1 } END { for (path in newest) print newest[path], path }' \
        "$into/.index.csv" | sort -n >"$into/.new"
    while read -r number path; do
        tries=0
        mkdir -p "$into/$path"
        # A folder may be replaced while it is read: then its files are not those of its manifest.
        until echo "get -r $path \"$into/$(dirname "$path")/\"" | talk 2>/dev/null && is_whole "$into/$path"; do
            # What has been kept long enough goes; its line in the index stays.
            echo pwd | talk && ! echo "ls $path" | talk 2>/dev/null && { rmdir "$into/$path"; break; }
            tries=$((tries + 1))
            [ "$tries" -lt 5 ] || { echo "exchange: $path changed while it was read" >&2; exit 1; }
        done
        if [ -d "$into/$path" ]; then echo "collected $path"; else echo "gone $path"; fi
        echo "$number" >"$into/collected.txt"
    done <"$into/.new"
    awk -F, 'NR > 1 { last = $1 } END { print last }' "$into/.index.csv" >"$into/collected.txt"
    rm "$into/.new"
    mv "$into/.index.csv" "$into/index.csv"
    # Made anew all the time, and in no index: fetched whenever they are there.
    mkdir -p "$into/from-dfe/statements"
    printf -- '-get from-dfe/%s "%s/from-dfe/%s"\n' start-here.html "$into" start-here.html refused.csv "$into" refused.csv \
        waiting.csv "$into" waiting.csv statements/ledger.csv "$into" statements/ledger.csv | talk 2>/dev/null
    echo "-get -r from-dfe/forecast \"$into/from-dfe/\"" | talk 2>/dev/null
}

what=$1
shift
case $what in
send) send "$@" ;;
collect) collect "$1" ;;
*) echo "exchange: send FILE..., or collect INTO" >&2; exit 2 ;;
esac

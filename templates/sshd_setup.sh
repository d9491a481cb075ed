#!/bin/sh
# Users and folders for OpenSSH, written by `ectx sshd-config`. Run it as root; to run it again does no harm.
# It makes a user for each provider that can log in for SFTP alone, and gives each mailbox the rights that keep a
# provider inside it: to-dfe can be written, from-dfe can only be read, everything else is the exchange's.
#
# For a log line for every upload and download, let syslog listen inside each mailbox, for example with rsyslog:
#   mkdir -p MAILBOX/dev, and input(type="imuxsock" Socket="MAILBOX/dev/log") in its configuration.
set -eu
exchange={{ user | shell }}
mailboxes={{ mailboxes | shell }}

sound() {  # sshd refuses a mailbox under a folder that others could change
    [ "$(stat -c %u "$1")" = 0 ] && [ -z "$(find "$1" -maxdepth 0 -perm /022)" ] || {
        echo "$1 has to belong to root, and nobody else may write in it: move the mailboxes (ECTX_MAILBOXES)" >&2
        exit 1
    }
    [ "$1" = / ] || sound "$(dirname "$1")"
}

mailbox() {
    if getent passwd "$1" >/dev/null; then
        [ "$(getent passwd "$1" | cut -d: -f5)" = "ECT mailbox" ] || {
            echo "there is a user $1 already, made by somebody else: nothing was changed for it" >&2
            exit 1
        }
    else
        useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin --comment "ECT mailbox" "$1"
    fi
    usermod --password '*' "$1"  # no password, and not locked
    [ "$exchange" = root ] || usermod --append --groups "$1" "$exchange"
    install -d -o root -g "$1" -m 0750 "$mailboxes/$1"
    install -d -o root -g "$1" -m 2770 "$mailboxes/$1/to-dfe"
    install -d -o "$exchange" -m 0700 "$mailboxes/$1/.taking"
    install -d -o "$exchange" -g "$1" -m 2750 "$mailboxes/$1/from-dfe"
    for folder in receipts statements extracts guidance; do
        install -d -o "$exchange" -g "$1" -m 2750 "$mailboxes/$1/from-dfe/$folder"
    done
    # What was delivered before, by the embedded server or from a backup, is the provider's to read too.
    chgrp -R "$1" "$mailboxes/$1/from-dfe"
    find "$mailboxes/$1/from-dfe" -type d -exec chmod 2750 {} +
    find "$mailboxes/$1/from-dfe" -type f -exec chmod 0640 {} +
}

mkdir -p "$mailboxes" /run/sshd
sound "$mailboxes"
{% for provider in providers %}
mailbox {{ provider | shell }}
{% endfor %}

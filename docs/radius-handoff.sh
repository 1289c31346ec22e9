#!/bin/sh
# Command of a hand-off of kind "hook" for a RADIUS server that reads its certificate at its start.
#
#   radius-handoff.sh PROBE SECRET WORD...
#
# PROBE   configuration of eapol_test: an EAP-TLS network with a client certificate of its own
# SECRET  file with the secret of the RADIUS client 127.0.0.1
# WORD... what restarts the server, for example: systemctl restart freeradius
#
# The agent calls it at the steps install, verify and rollback.
set -eu
probe=$1 secret=$2
shift 2
case $SCEPLAB_STEP in
install | rollback)
    "$@"
    ;;
verify)
    shown=$(mktemp)
    trap 'rm -f "$shown"' EXIT
    if ! eapol_test -c "$probe" -s "$(cat "$secret")" -t 10 -o "$shown" >/dev/null; then
        echo "the server does not let the probe in; its log says why"
        exit 75
    fi
    wanted=$(openssl x509 -in "$SCEPLAB_CERTIFICATE" -outform DER | openssl base64 -A)
    if ! tr -d '\n' <"$shown" | grep -qF "$wanted"; then
        echo "the server shows another certificate; does it read $SCEPLAB_CURRENT?"
        exit 1
    fi
    echo "EAP-TLS with the new certificate"
    ;;
esac

"""One end of 802.1X in a process of its own, so that it can stand in a network namespace.

``python -m tests.support.eap_end supplicant|authenticator INTERFACE FOLDER``; the folder holds
``certificate.pem``, ``key.pem`` and ``trusted.pem``. Prints ``accepted`` or ``refused`` and why.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from sceplab_agent.eap.authenticator import Authenticator
from sceplab_agent.eap.link import End, PacketLink, run
from sceplab_agent.eap.supplicant import Supplicant
from sceplab_agent.eap.tls_method import Credentials


def main(role: str, interface: str, folder: Path) -> None:
    """Runs one authentication."""
    credentials = Credentials(
        certificate_pem=(folder / "certificate.pem").read_bytes(),
        key_pem=(folder / "key.pem").read_bytes(),
        trusted_pem=(folder / "trusted.pem").read_bytes(),
    )
    is_port = role == "authenticator"
    context = credentials.context(server_side=is_port)
    end: End = Authenticator(context) if is_port else Supplicant(context, identity="python")
    link = PacketLink(interface)
    print("ready", flush=True)
    outcome = run(end, link, limit_s=30, monotonic=time.monotonic)
    print("accepted" if outcome.accepted else "refused", outcome.reason)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

"""One authentication of a running wpa_supplicant: asked for, watched to its end, explained."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sceplab_agent.handoff.wpa_control import ControlError, WpaControl
from sceplab_agent.text import clean_text

_STARTED = "CTRL-EVENT-EAP-STARTED"
_SUCCESS = "CTRL-EVENT-EAP-SUCCESS"
_FAILURE = "CTRL-EVENT-EAP-FAILURE"
_ANY = "CTRL-EVENT-EAP-"
_NO_METHOD = "EAP: Failed to initialize EAP method"
_TELLING = re.compile(
    r"CTRL-EVENT-EAP-TLS-CERT-ERROR|CTRL-REQ-|EAP: Failed"
    r"|CTRL-EVENT-EAP-STATUS status='(remote TLS alert|local TLS alert|eap parameter needed)"
)
_OURS = ("CTRL-EVENT-EAP-TLS-CERT-ERROR", "status='local TLS alert'")
"""What is told when the daemon does not trust the server."""
_SHOWN = ("wpa_state", "Supplicant PAE state", "suppPortStatus", "EAP state")
_NUDGE_S = 6.0
"""A port that has just refused hears nothing for a while (hostapd: 5 s), and the daemon itself
asks only every 30 s."""


def authenticate(control: WpaControl, *, patience_s: float, monotonic: Callable[[], float]) -> None:
    """Has the daemon authenticate, and waits for the end of it.

    Args:
        control: of its interface; events are kept afterwards.
        patience_s: seconds until it is taken for failed.
        monotonic: clock, seconds.

    Raises:
        ControlError: refused, not possible or without an end; the text says what is known.
    """
    control.attach()
    is_settled = control.status().get("Supplicant PAE state") == "AUTHENTICATED"
    # Asked of a port that is open this keeps it open; of any other it would change nothing.
    control.request("REAUTHENTICATE" if is_settled else "REASSOCIATE")
    deadline = monotonic() + patience_s
    has_begun, has_stirred, told = not is_settled, False, ""
    while monotonic() < deadline:
        event = control.next_event(min(deadline, monotonic() + _NUDGE_S))
        if event is None:
            if not is_settled and not has_stirred and monotonic() < deadline:
                control.request("REASSOCIATE")
            has_stirred = False
            continue
        has_stirred = has_stirred or event.startswith(_ANY)
        has_begun = has_begun or event.startswith(_STARTED)
        if _TELLING.match(event):
            told = event
        if event.startswith(_NO_METHOD):
            raise ControlError(
                "wpa_supplicant cannot use certificate and key: the file, the token or its PIN; "
                f"its log says which ({clean_text(event)})"
            )
        if has_begun and event.startswith(_FAILURE):
            raise ControlError(_refusal(clean_text(told)))
        if has_begun and event.startswith(_SUCCESS):
            return
    # A file that is missing may give no event at all.
    raise ControlError(
        f"no end of the authentication within {patience_s:g} s: {describe(control.status())}; "
        f"{clean_text(told) or 'does the port speak 802.1X?'}"
    )


def _refusal(told: str) -> str:
    """Which side refused the other."""
    if any(word in told for word in _OURS):
        return (
            "wpa_supplicant refuses the authentication server's certificate; look at ca_cert of "
            f"the network: {told}"
        )
    hint = told or "the server's log says why"
    return f"the authentication server refuses the certificate: {hint}"


def is_open(status: Mapping[str, str]) -> bool:
    """Whether the port is open by an authentication, not for want of 802.1X at the other end."""
    return (status.get("suppPortStatus"), status.get("EAP state")) == ("Authorized", "SUCCESS")


def describe(status: Mapping[str, str]) -> str:
    """What ``STATUS`` says of the port, on one line."""
    return clean_text(", ".join(f"{name} {status[name]}" for name in _SHOWN if name in status))

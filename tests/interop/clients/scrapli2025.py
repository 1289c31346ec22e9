"""scrapli (the 2025 generation) enrolls a device of a platform it has a core driver for.

Usage: scrapli2025.py PLATFORM TRANSPORT HOST PORT URL PIN; environment: CHALLENGE, and where
the device asks for them USER_NAME, PASSWORD and ENABLE_PASSWORD. PLATFORM is the driver's name, for
example ``cisco_iosxe``; TRANSPORT: ``telnet``, or for SSH ``system`` or ``paramiko``. Prints what
it saw as JSON.
"""

import json
import os
import sys

import platform_steps as steps
from scrapli import Scrapli

platform, transport, host, port, url, pin = sys.argv[1:7]
user = os.environ.get("USER_NAME", "")
challenge = os.environ["CHALLENGE"]


def enroll_ios() -> dict:
    """A router: trustpoint with the pin, dialog of the enrollment."""
    seen = {"version": box.send_command("sh ver | include Version").result}
    seen["failed"] = box.send_configs(steps.ios_trustpoint(url, pin)).failed
    seen["trusted"] = box.send_interactive(
        [("cry pki auth LAB", "accepted.")], privilege_level="configuration"
    ).result
    seen["sent"] = box.send_interactive(
        [
            ("crypto pki enr LAB", "Password: "),
            (challenge, "Re-enter password: ", True),
            (challenge, "[yes/no]: ", True),
            ("yes", "fingerprint."),
        ],
        privilege_level="configuration",
    ).result
    seen["certificates"] = steps.look_until(
        lambda: box.send_command("show crypto pki certificates LAB").result, steps.ios_is_enrolled
    )
    seen["filtered"] = box.send_command("sh cry pki cert LAB | inc Status").result
    return seen


def enroll_junos() -> dict:
    """An SRX: committed CA profile, a question about the CA, key, request."""
    seen = {"version": box.send_command("show version").result}
    configured = box.send_configs([*steps.junos_ca_profile(url), "show | compare", "commit"])
    seen["configured"], seen["failed"] = configured.result, configured.failed
    seen["trusted"] = box.send_interactive(
        [(steps.JUNOS_TRUST, "[yes,no] (no)"), ("yes", "loaded successfully")]
    ).result
    seen["key"] = box.send_command(steps.JUNOS_KEY).result
    seen["sent"] = box.send_command(steps.junos_enroll(challenge)).result
    seen["certificates"] = steps.look_until(
        lambda: box.send_command(steps.JUNOS_SHOW).result, steps.junos_is_enrolled
    )
    return seen


ENROLL = {"cisco_iosxe": enroll_ios, "juniper_junos": enroll_junos}

box = Scrapli(
    platform=platform,
    host=host,
    port=int(port),
    transport=transport,
    auth_bypass=not user,
    auth_username=user,
    auth_password=os.environ.get("PASSWORD", ""),
    auth_strict_key=False,
    auth_secondary=os.environ.get("ENABLE_PASSWORD", ""),
    ssh_known_hosts_file=False,
    ssh_config_file=False,
    timeout_socket=30,
    timeout_ops=60,
)
with box:
    shown = ENROLL[platform]()
print(json.dumps(shown))

"""scrapli (the 2025 generation) enrolls an emulated IOS router.

Usage: scrapli_cisco_ios.py TRANSPORT HOST PORT URL PIN; environment: CHALLENGE, ENABLE_PASSWORD,
and where the device asks for a login USER_NAME and PASSWORD. TRANSPORT: ``telnet``, or for SSH
``system`` or ``paramiko``. Prints what it saw as JSON.
"""

import json
import os
import sys

from scrapli.driver.core import IOSXEDriver

transport, host, port, url, pin = sys.argv[1:6]
user = os.environ.get("USER_NAME", "")

TRUSTPOINT = [
    "ip domain name example.test",
    "cry key gen rsa label R1-KEY mod 2048",
    "cry pki trustp LAB",
    f"enr url {url}",
    "subject-n CN=R1,O=Example",
    "rsakeypair R1-KEY",
    "serial-number none",
    "ip-addr none",
    f"finger {pin}",
    "exit",
]

challenge = os.environ["CHALLENGE"]
router = IOSXEDriver(
    host=host,
    port=int(port),
    transport=transport,
    auth_bypass=not user,
    auth_username=user,
    auth_password=os.environ.get("PASSWORD", ""),
    auth_strict_key=False,
    auth_secondary=os.environ["ENABLE_PASSWORD"],
    ssh_known_hosts_file=False,
    ssh_config_file=False,
    timeout_socket=30,
    timeout_ops=60,
)
seen = {}
with router:
    seen["version"] = router.send_command("sh ver | include Version").result
    configured = router.send_configs(TRUSTPOINT)
    seen["configured"], seen["failed"] = configured.result, configured.failed
    seen["trusted"] = router.send_interactive(
        [("cry pki auth LAB", "accepted.")], privilege_level="configuration"
    ).result
    seen["sent"] = router.send_interactive(
        [
            ("crypto pki enr LAB", "Password: "),
            (challenge, "Re-enter password: ", True),
            (challenge, "[yes/no]: ", True),
            ("yes", "fingerprint."),
        ],
        privilege_level="configuration",
    ).result
    for _ in range(50):
        shown = router.send_command("show crypto pki certificates LAB").result
        if "Pending" not in shown and "Serial Number" in shown.partition("CA Cert")[0]:
            break
    seen["certificates"] = shown
    seen["filtered"] = router.send_command("sh cry pki cert LAB | inc Status").result
print(json.dumps(seen))

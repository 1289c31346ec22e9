"""netmiko enrolls an emulated SRX over SSH, as an automation script would.

Usage: netmiko_juniper_junos.py HOST PORT URL PIN; environment: CHALLENGE, USER_NAME and PASSWORD.
PIN is the CA certificate's SHA-1, colons between its bytes. Prints what it saw as JSON.
"""

import json
import os
import sys

import netmiko

host, port, url, pin = sys.argv[1:5]

PROFILE = [
    "set security pki ca-profile Root ca-identity Root",
    f"set security pki ca-profile Root enrollment url {url}",
    "set security pki ca-profile Root enrollment retry-interval 60",
    "set security pki ca-profile Root revocation-check disable",
]
HANDOFF = [
    "set security ike policy POL certificate local-certificate LOCAL",
    "set security ike gateway GW ike-policy POL",
    "set security ike gateway GW local-identity distinguished-name",
]

seen = {}
with netmiko.ConnectHandler(
    device_type="juniper_junos",
    host=host,
    port=int(port),
    username=os.environ["USER_NAME"],
    password=os.environ["PASSWORD"],
) as box:
    seen["prompt"] = box.find_prompt()
    seen["version"] = box.send_command("show version", use_textfsm=True)
    seen["configured"] = box.send_config_set(PROFILE, exit_config_mode=False)
    seen["compare"] = box.send_command("show | compare")
    seen["checked"] = box.commit(check=True)
    seen["committed"] = box.commit(comment="certificates", and_quit=True)
    asked = box.send_command(
        "request security pki ca-certificate enroll ca-profile Root",
        expect_string=r"\[yes,no\] \(no\) ",
        read_timeout=60,
    )
    seen["asked"] = asked
    answer = "yes" if pin in asked else "no"
    seen["trusted"] = box.send_command(answer, expect_string=r"> ")
    seen["key"] = box.send_command(
        "request security pki generate-key-pair certificate-id LOCAL size 2048 type rsa",
        read_timeout=60,
    )
    seen["started"] = box.send_command(
        "request security pki local-certificate enroll scep certificate-id LOCAL ca-profile Root "
        "domain-name srx.example.test subject CN=srx,O=Example "
        f"challenge-password {os.environ['CHALLENGE']}"
    )
    for _ in range(300):
        seen["certificate"] = box.send_command(
            "show security pki local-certificate certificate-id LOCAL detail"
        )
        if "Serial number" in seen["certificate"]:
            break
    seen["verified"] = box.send_command(
        "request security pki local-certificate verify certificate-id LOCAL"
    )
    seen["log"] = box.send_command("show log pkid | last 1")
    box.send_config_set(HANDOFF)
    seen["left waiting"] = box.send_command("configure", expect_string=r"\[edit\]")
    seen["handoff"] = box.commit()
    box.exit_config_mode()
    seen["configuration"] = box.send_command("show configuration security | display set")
    seen["error"] = box.send_command("show nonsense")
print(json.dumps(seen))

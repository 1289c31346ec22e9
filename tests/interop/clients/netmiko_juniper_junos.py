"""netmiko enrolls an emulated SRX over SSH, as an automation script would.

Usage: netmiko_juniper_junos.py HOST PORT URL PIN; environment: CHALLENGE, USER_NAME and PASSWORD.
PIN is the CA certificate's SHA-1, colons between its bytes. Prints what it saw as JSON.
"""

import json
import os
import sys

import netmiko
import platform_steps as steps

host, port, url, pin = sys.argv[1:5]

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
    seen["configured"] = box.send_config_set(steps.junos_ca_profile(url), exit_config_mode=False)
    seen["compare"] = box.send_command("show | compare")
    seen["checked"] = box.commit(check=True)
    seen["committed"] = box.commit(comment="certificates", and_quit=True)
    asked = box.send_command(
        steps.JUNOS_TRUST, expect_string=r"\[yes,no\] \(no\) ", read_timeout=60
    )
    seen["asked"] = asked
    answer = "yes" if pin in asked else "no"
    seen["trusted"] = box.send_command(answer, expect_string=r"> ")
    seen["key"] = box.send_command(steps.JUNOS_KEY, read_timeout=60)
    seen["started"] = box.send_command(steps.junos_enroll(os.environ["CHALLENGE"]))
    seen["certificate"] = steps.look_until(
        lambda: box.send_command(steps.JUNOS_SHOW), steps.junos_is_enrolled
    )
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

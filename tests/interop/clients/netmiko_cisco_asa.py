"""netmiko enrolls an emulated ASA, as an automation script would.

Usage: netmiko_cisco_asa.py HOST PORT URL PIN; environment: CHALLENGE, USER_NAME, PASSWORD and
ENABLE_PASSWORD; without the last one the user's rights come from ``login``. Prints what it saw as
JSON.
"""

import json
import os
import sys

import netmiko
import platform_steps as steps

host, port, url, pin = sys.argv[1:5]

seen = {}
with netmiko.ConnectHandler(
    device_type="cisco_asa",
    host=host,
    port=int(port),
    username=os.environ["USER_NAME"],
    password=os.environ["PASSWORD"],
    secret=os.environ.get("ENABLE_PASSWORD", ""),
) as firewall:
    seen["rights"] = firewall.send_command("show curpriv")
    seen["version"] = firewall.send_command("show version | include Version")
    seen["configured"] = firewall.send_config_set(steps.asa_trustpoint(url), read_timeout=60)
    firewall.config_mode()
    seen["trusted"] = firewall.send_command(
        f"crypto ca authenticate LAB fingerprint {pin} nointeractive", expect_string=r"accepted\."
    )
    challenge = os.environ["CHALLENGE"]
    firewall.send_command("crypto ca enroll LAB", expect_string="Password: ")
    firewall.send_command(challenge, expect_string="Re-enter password: ", cmd_verify=False)
    seen["asked"] = firewall.send_command(
        challenge, expect_string=r"\[yes/no\]: ", cmd_verify=False
    )
    seen["sent"] = firewall.send_command("yes", expect_string=r"granted by CA!", read_timeout=60)
    firewall.exit_config_mode()
    seen["certificates"] = firewall.send_command("show crypto ca certificates LAB")
    seen["configuration"] = firewall.send_command("show running-config")
    seen["log"] = firewall.send_command("show logging")
    seen["tunnel"] = firewall.send_config_set(
        ["tunnel-group 192.0.2.1 type ipsec-l2l", "tunnel-group 192.0.2.1 ipsec-attributes",
         "ikev2 local-authentication certificate LAB"]
    )  # fmt: skip
    seen["saved"] = firewall.save_config()
print(json.dumps(seen))

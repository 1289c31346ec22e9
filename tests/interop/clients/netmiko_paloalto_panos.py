"""netmiko enrolls an emulated PAN-OS firewall over SSH, as an automation script would.

Usage: netmiko_paloalto_panos.py HOST PORT URL PIN; environment: CHALLENGE, USER_NAME and PASSWORD.
PIN is the CA certificate's SHA-1 in hexadecimal digits. Prints what it saw as JSON.
"""

import json
import os
import sys

import netmiko
import platform_steps as steps

host, port, url, pin = sys.argv[1:5]

HANDOFF = ["set network ike gateway GW authentication certificate local-certificate name fw"]

seen = {}
with netmiko.ConnectHandler(
    device_type="paloalto_panos",
    host=host,
    port=int(port),
    username=os.environ["USER_NAME"],
    password=os.environ["PASSWORD"],
) as box:
    seen["prompt"] = box.find_prompt()
    seen["system"] = box.send_command("show system info", use_textfsm=True)
    profile = steps.panos_scep_profile(url, pin, os.environ["CHALLENGE"])
    seen["configured"] = box.send_config_set(profile, exit_config_mode=False)
    seen["committed"] = box.commit(comment="certificates")
    seen["issued"] = box.send_command(steps.PANOS_ENROLL, read_timeout=90)
    seen["store"] = box.send_command(steps.PANOS_SHOW)
    box.send_config_set(HANDOFF, exit_config_mode=False)
    seen["handoff"] = box.commit()
    seen["log"] = box.send_command("show log system")
    seen["ike"] = box.send_command("show vpn ike-sa")
    seen["running"] = box.send_command("show config running")
    seen["error"] = box.send_command("sett")
print(json.dumps(seen))

"""netmiko enrolls an emulated FortiGate over SSH, as an automation script would.

Usage: netmiko_fortinet.py HOST PORT URL PIN; environment: CHALLENGE, USER_NAME and PASSWORD. Prints
what it saw as JSON.
"""

import json
import os
import sys

import netmiko
import platform_steps as steps

host, port, url, pin = sys.argv[1:5]

HANDOFF = [
    "config vpn certificate local",
    'edit "IPSECVPN"',
    "set auto-regenerate-days 30",
    "set auto-regenerate-days-warning 20",
    "next",
    "end",
    "config vpn ipsec phase1-interface",
    'edit "tunnel1"',
    "set interface wan1",
    "set authmethod signature",
    'set certificate "IPSECVPN"',
    "next",
    "end",
]
PARSED = [
    "get system status",
    "get system interface",
    "execute date",
    "execute time",
    "execute log display",
]
LOGIN = {
    "device_type": "fortinet",
    "host": host,
    "port": int(port),
    "username": os.environ["USER_NAME"],
    "password": os.environ["PASSWORD"],
}

seen = {}
with netmiko.ConnectHandler(**LOGIN) as box:
    seen["prompt"] = box.find_prompt()
    seen["trusted"] = box.send_command(steps.fortios_import(url, pin), read_timeout=60)
    generate = steps.fortios_generate(url, os.environ["CHALLENGE"])
    seen["requested"] = box.send_command(generate, read_timeout=60)
    seen["details"] = steps.look_until(
        lambda: box.send_command(steps.FORTIOS_SHOW), steps.fortios_is_enrolled
    )
    seen["configured"] = box.send_config_set(HANDOFF)
    seen["phase1"] = box.send_command("show vpn ipsec phase1-interface")
    seen["filtered"] = box.send_command("show vpn certificate local | grep auto-regenerate")
    seen["output"] = box.send_command("get system console | grep output")
with netmiko.ConnectHandler(**LOGIN) as box:
    seen["mode before"] = box._original_output_mode
    seen["parsed"] = {command: box.send_command(command, use_textfsm=True) for command in PARSED}
    seen["authorities"] = box.send_command("get vpn certificate ca")
print(json.dumps(seen))

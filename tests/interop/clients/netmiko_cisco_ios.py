"""netmiko enrolls an emulated IOS router, as an automation script would.

Usage: netmiko_cisco_ios.py DEVICE_TYPE HOST PORT URL PIN; environment: CHALLENGE, ENABLE_PASSWORD,
and where the device asks for a login USER_NAME and PASSWORD. With DEVICE_TYPE ``cisco_ios_serial``
HOST is the path of the serial line and PORT its speed. Prints what it saw as JSON.
"""

import json
import os
import sys

import netmiko
import platform_steps as steps

device_type, host, port, url, pin = sys.argv[1:6]
is_serial = device_type.endswith("_serial")


def login() -> dict:
    """Arguments of ConnectHandler."""
    settings = {
        "device_type": device_type,
        "username": os.environ.get("USER_NAME", ""),
        "password": os.environ.get("PASSWORD", ""),
        "secret": os.environ["ENABLE_PASSWORD"],
    }
    if not is_serial:
        return {**settings, "host": host, "port": int(port)}
    # The one thing that has to be patched: netmiko accepts names that a list of ports shows, and a
    # pseudo-terminal is in no list.
    from netmiko import utilities

    utilities.check_serial_port = lambda name: name
    netmiko.base_connection.check_serial_port = lambda name: name
    return {**settings, "serial_settings": {"port": host, "baudrate": int(port)}}


seen = {}
with netmiko.ConnectHandler(**login()) as router:
    router.enable()
    seen["enabled"] = router.check_enable_mode()
    if is_serial:
        # As whoever scripts a console does: netmiko takes a logged line for the prompt.
        router.send_config_set(["no logging console"])
    seen["version"] = router.send_command("sh ver | include Version")
    seen["configured"] = router.send_config_set(steps.ios_trustpoint(url, pin), read_timeout=60)
    router.config_mode()
    seen["trusted"] = router.send_command("cry pki auth LAB", expect_string=r"accepted\.")
    challenge = os.environ["CHALLENGE"]
    router.send_command("crypto pki enr LAB", expect_string="Password: ")
    router.send_command(challenge, expect_string="Re-enter password: ", cmd_verify=False)
    router.send_command(challenge, expect_string=r"\[yes/no\]: ", cmd_verify=False)
    seen["sent"] = router.send_command("yes", expect_string=r"fingerprint\.")
    router.exit_config_mode()
    seen["certificates"] = steps.look_until(
        lambda: router.send_command("show crypto pki certificates LAB"), steps.ios_is_enrolled
    )
    seen["filtered"] = router.send_command("sh cry pki cert LAB | inc Status")
    seen["saved"] = router.save_config()
    seen["configuration"] = router.send_command("show running-config")
print(json.dumps(seen))

"""netmiko carries a request and a certificate between an emulated NX-OS switch and a CA.

Usage: netmiko_cisco_nxos.py HOST PORT request CA.pem | import CERTIFICATE.pem; environment:
USER_NAME, PASSWORD, with ``request`` also CHALLENGE. Prints what it saw as JSON.
"""

import json
import os
import sys
from pathlib import Path

import netmiko

host, port, step, file = sys.argv[1:5]
PEM = Path(file).read_text(encoding="ascii").strip().splitlines()

TRUSTPOINT = [
    "ip domain-name example.test",
    "crypto key generate rsa label LAB exportable modulus 2048",
    "crypto ca trustpoint LAB",
    "enrollment terminal",
    "rsakeypair LAB",
    "revocation-check none",
]


def request(switch: netmiko.BaseConnection) -> dict[str, str]:
    """Configures, authenticates, makes the request."""
    seen = {"version": switch.send_command("show version | include NXOS:")}
    seen["hostname"] = switch.send_command("show hostname")
    seen["configured"] = switch.send_config_set(TRUSTPOINT, read_timeout=60)
    switch.config_mode()
    switch.send_command("crypto ca authenticate LAB", expect_string="END OF INPUT :")
    for line in PEM:
        switch.send_command_timing(line, cmd_verify=False, read_timeout=0, last_read=0.05)
    seen["asked"] = switch.send_command(
        "END OF INPUT", expect_string=r"\[yes/no\]:", cmd_verify=False
    )
    seen["trusted"] = switch.send_command("yes", expect_string=r"\)#")
    switch.send_command("crypto ca enroll LAB", expect_string="Password:")
    switch.send_command(os.environ["CHALLENGE"], expect_string=r"\[yes/no\]:", cmd_verify=False)
    switch.send_command("no", expect_string=r"\[yes/no\]:")
    seen["request"] = switch.send_command("no", expect_string=r"END CERTIFICATE REQUEST")
    switch.exit_config_mode()
    return seen


def import_certificate(switch: netmiko.BaseConnection) -> dict[str, str]:
    """Pastes the certificate, reads, names it in the configuration, saves."""
    switch.config_mode()
    switch.send_command("crypto ca import LAB certificate", expect_string="PEM format:")
    for line in PEM[:-1]:
        switch.send_command_timing(line, cmd_verify=False, read_timeout=0, last_read=0.05)
    seen = {"imported": switch.send_command(PEM[-1], expect_string=r"\)#", cmd_verify=False)}
    switch.exit_config_mode()
    seen["certificates"] = switch.send_command("show crypto ca certificates LAB")
    seen["named"] = switch.send_config_set(["feature nxapi", "nxapi certificate trustpoint LAB"])
    seen["configuration"] = switch.send_command("show running-config")
    seen["saved"] = switch.save_config()
    return seen


with netmiko.ConnectHandler(
    device_type="cisco_nxos",
    host=host,
    port=int(port),
    username=os.environ["USER_NAME"],
    password=os.environ["PASSWORD"],
) as connection:
    print(json.dumps((request if step == "request" else import_certificate)(connection)))

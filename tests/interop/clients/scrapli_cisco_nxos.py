"""scrapli (the 2025 generation) configures an emulated NX-OS switch.

Usage: scrapli_cisco_nxos.py TRANSPORT HOST PORT; environment: USER_NAME and PASSWORD.
TRANSPORT: ``telnet`` or ``paramiko``. Prints what it saw as JSON.
"""

import json
import os
import sys

from scrapli.driver.core import NXOSDriver

transport, host, port = sys.argv[1:4]

SETUP = [
    "crypto key generate rsa label LAB modulus 2048",
    "crypto ca trustpoint LAB",
    "rsakeypair LAB",
    "exit",
]
with NXOSDriver(
    host=host,
    port=int(port),
    auth_username=os.environ["USER_NAME"],
    auth_password=os.environ["PASSWORD"],
    auth_strict_key=False,
    transport=transport,
    timeout_ops=15,
) as switch:
    seen = {
        "version": switch.send_command("show version").textfsm_parse_output(),
        "failed": switch.send_configs(SETUP).failed,
        "refused": switch.send_command("show nothing").failed,
    }
    seen["keys"] = switch.send_command("show crypto key mypubkey rsa").result
    seen["reload"] = switch.send_interactive(
        [("reload", "(y/n)?  [n] "), ("n", "#")], privilege_level="privilege_exec"
    ).result
    seen["saved"] = switch.send_command("copy running-config startup-config").result
print(json.dumps(seen))

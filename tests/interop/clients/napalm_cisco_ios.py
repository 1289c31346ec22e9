"""NAPALM's driver ``ios`` reads an emulated IOS router.

Usage: napalm_cisco_ios.py TRANSPORT HOST PORT; environment: ENABLE_PASSWORD, USER_NAME, PASSWORD.
TRANSPORT: ``telnet`` or ``ssh``. Prints what it saw as JSON.
"""

import json
import os
import sys

import napalm

transport, host, port = sys.argv[1:4]
options = {"port": int(port), "transport": transport, "secret": os.environ["ENABLE_PASSWORD"]}
driver = napalm.get_network_driver("ios")
router = driver(
    host, os.environ["USER_NAME"], os.environ["PASSWORD"], timeout=60, optional_args=options
)
with router:
    seen = {
        "facts": router.get_facts(),
        "interfaces": router.get_interfaces(),
        "config": router.get_config(),
        "startup": router.get_config(retrieve="startup", full=True),
        "cli": router.cli(["show crypto pki trustpoints", "show version | include Version"]),
        "is_alive": router.is_alive(),
    }
print(json.dumps(seen))

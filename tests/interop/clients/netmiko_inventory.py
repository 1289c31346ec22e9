"""netmiko opens every device of an inventory at once.

Usage: netmiko_inventory.py FILE; environment: LAB_PASSWORD and LAB_ENABLE, as the head of FILE
says. Prints JSON: by device its prompt and what it says about its version.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import netmiko
import yaml

SHOW = {"fortinet": "get system status", "paloalto_panos": "show system info"}

inventory = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
devices = {name: facts for name, facts in inventory.items() if isinstance(facts, dict)}


def look(facts: dict) -> dict:
    """Logs in, takes all rights and asks."""
    secrets = {"password": os.environ["LAB_PASSWORD"], "secret": os.environ["LAB_ENABLE"]}
    with netmiko.ConnectHandler(**facts, **secrets) as box:
        box.enable()
        shown = box.send_command(SHOW.get(facts["device_type"], "show version"))
        return {"prompt": box.find_prompt(), "version": shown}


with ThreadPoolExecutor(len(devices)) as pool:
    print(json.dumps(dict(zip(devices, pool.map(look, devices.values()), strict=True))))

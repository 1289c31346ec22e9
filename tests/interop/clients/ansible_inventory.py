"""Ansible reads an inventory, and asks every device in it.

Usage: ansible_inventory.py FOLDER FILE; environment: LAB_PASSWORD and LAB_ENABLE. FOLDER takes
everything Ansible writes. Prints JSON: ``list``, what ``ansible-inventory --list`` printed;
``facts`` and ``cli``, results of ``ios_facts`` and ``cli_command`` by device; ``raw``, what a
FortiGate said.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

home, inventory = Path(sys.argv[1]), Path(sys.argv[2])
programs = Path(sys.executable).parent
environment = {
    **os.environ,
    "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    "ANSIBLE_HOME": str(home / "ansible"),
    "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
    "ANSIBLE_PERSISTENT_CONTROL_PATH_DIR": str(home / "pc"),
}


def run(program: str, *arguments: str, **variables: str) -> str:
    """What a program of Ansible printed."""
    done = subprocess.run(
        [programs / program, "-i", inventory, *arguments],
        env={**environment, **variables}, cwd=home, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{done.stdout[-8000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def ask(pattern: str, module: str, arguments: str) -> dict:
    """Results of a module by device."""
    as_json = {
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
    }
    printed = run("ansible", pattern, "-m", module, "-a", arguments, **as_json)
    (play,) = json.loads(printed[printed.index("{") :])["plays"]
    return play["tasks"][0]["hosts"]


print(
    json.dumps(
        {
            "list": json.loads(run("ansible-inventory", "--list")),
            "facts": ask("cisco_ios", "cisco.ios.ios_facts", "gather_subset=min"),
            "cli": ask(
                "cisco_ios_xe,cisco_nxos,juniper_junos",
                "ansible.netcommon.cli_command",
                "command='show version'",
            ),
            "raw": run("ansible", "fortinet_fortios", "-m", "raw", "-a", "get system status"),
        }
    )
)

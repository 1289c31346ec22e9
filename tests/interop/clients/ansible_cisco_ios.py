"""Ansible's collection ``cisco.ios`` enrolls and reads an emulated IOS router over SSH.

Usage: ansible_cisco_ios.py FOLDER HOST PORT URL PIN; environment: CHALLENGE, ENABLE_PASSWORD,
USER_NAME and PASSWORD. FOLDER takes everything Ansible writes. Prints what it saw as JSON.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

folder, host, port, url, pin = sys.argv[1:6]
home = Path(folder)

INVENTORY = {
    "all": {
        "hosts": {"r1": {"ansible_host": host, "ansible_port": int(port)}},
        "vars": {
            "ansible_connection": "ansible.netcommon.network_cli",
            "ansible_network_os": "cisco.ios.ios",
            "ansible_user": "{{ lookup('env', 'USER_NAME') }}",
            "ansible_password": "{{ lookup('env', 'PASSWORD') }}",
            "ansible_become": True,
            "ansible_become_method": "enable",
            "ansible_become_password": "{{ lookup('env', 'ENABLE_PASSWORD') }}",
            "ansible_host_key_checking": False,
            "ansible_command_timeout": 60,
        },
    }
}
CHALLENGE = "{{ lookup('env', 'CHALLENGE') }}"


def in_configuration(command: str, *dialog: tuple[str, str]) -> dict:
    """A command of configuration mode, and what to answer to its questions.

    Every task of Ansible begins in exec mode, so entering configuration mode is part of the dialog.
    """
    steps = [(r"\(config\)#", command), *dialog]
    return {
        "command": "configure terminal",
        "check_all": True,
        "prompt": [prompt for prompt, _ in steps],
        "answer": [answer for _, answer in steps],
    }


TASKS = [
    {"name": "facts", "cisco.ios.ios_facts": {"gather_subset": "all"}},
    {
        "name": "configure",
        "cisco.ios.ios_config": {
            "parents": "crypto pki trustpoint LAB",
            "lines": [
                f"enrollment url {url}",
                "serial-number none",
                "ip-address none",
                f"fingerprint {pin.upper()}",
                "subject-name CN=R1,O=Example",
                "rsakeypair R1-KEY 2048",
            ],
            "before": "ip domain name example.test",
        },
    },
    {
        "name": "key pair",
        "ansible.netcommon.cli_command": in_configuration(
            "crypto key generate rsa label R1-KEY modulus 2048"
        ),
    },
    {
        "name": "authenticate",
        "ansible.netcommon.cli_command": in_configuration("crypto pki authenticate LAB"),
    },
    {
        "name": "enroll",
        "ansible.netcommon.cli_command": in_configuration(
            "crypto pki enroll LAB",
            ("Password: ", CHALLENGE),
            ("Re-enter password: ", CHALLENGE),
            ("Request certificate from CA", "yes"),
        ),
    },
    {
        "name": "show",
        "cisco.ios.ios_command": {
            "commands": ["show crypto pki certificates LAB"],
            "wait_for": ["result[0] contains General Purpose"],
            "retries": 30,
            "interval": 1,
        },
        "register": "shown",
    },
    {"name": "save", "cisco.ios.ios_config": {"save_when": "always"}},
    {
        "name": "again",
        "cisco.ios.ios_config": {
            "parents": "crypto pki trustpoint LAB",
            "lines": ["subject-name CN=R1,O=Example"],
        },
        "register": "again",
    },
]
PLAYBOOK = [{"hosts": "r1", "gather_facts": False, "tasks": TASKS}]

(home / "inventory.json").write_text(json.dumps(INVENTORY), encoding="utf-8")
(home / "playbook.json").write_text(json.dumps(PLAYBOOK), encoding="utf-8")
program = Path(sys.executable).with_name("ansible-playbook")
done = subprocess.run(
    [program, "-i", home / "inventory.json", home / "playbook.json"],
    env={
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_HOME": str(home / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
        "ANSIBLE_PERSISTENT_CONTROL_PATH_DIR": str(home / "pc"),
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    },
    cwd=home,
    stdin=subprocess.DEVNULL,
    capture_output=True,
    text=True,
    check=False,
)
if done.returncode:
    sys.exit(f"{done.stdout[-8000:]}\n{done.stderr[-4000:]}")
report = json.loads(done.stdout[done.stdout.index("{") :])
print(
    json.dumps(
        {
            task["task"]["name"]: next(iter(task["hosts"].values()))
            for task in report["plays"][0]["tasks"]
        }
    )
)

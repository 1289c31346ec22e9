"""Inventories in the words of the tools that read them. None of them holds a password.

Ansible and pyATS look secrets up in the environment by themselves; for Nornir, netmiko and ssh the
head of the file says where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import yaml

from sceplab_devices.lines import Endpoint
from sceplab_lab.inventory import InventoryHost

_NETWORK_CLI = "ansible.netcommon.network_cli"
_PLAIN_SSH = "ansible.builtin.ssh"
_SSH_OPTIONS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
_DEFAULT_BAUD = 9600


def ansible_inventory(hosts: Iterable[InventoryHost]) -> str:
    """YAML inventory: a group for each profile; devices that have an SSH line."""
    groups: dict[str, Any] = {}
    for host in hosts:
        line = host.line("ssh")
        if line is None:
            continue
        name = host.profile.replace("-", "_")
        group = groups.setdefault(name, {"vars": _ansible_variables(host), "hosts": {}})
        facts: dict[str, Any] = {"ansible_host": line.host, "ansible_port": line.port}
        if host.user:
            facts["ansible_user"] = host.user
        if host.password_variable:
            facts["ansible_password"] = _ansible_lookup(host.password_variable)
        if host.platform.has_enable and host.enable_variable:
            facts["ansible_become_password"] = _ansible_lookup(host.enable_variable)
        group["hosts"][host.name] = facts
    return _yaml({"all": {"children": groups}})


def _ansible_variables(host: InventoryHost) -> dict[str, Any]:
    if not host.platform.ansible:
        return {"ansible_connection": _PLAIN_SSH, "ansible_ssh_common_args": _SSH_OPTIONS}
    variables: dict[str, Any] = {
        "ansible_connection": _NETWORK_CLI,
        "ansible_network_os": host.platform.ansible,
        "ansible_host_key_checking": False,
    }
    if host.platform.has_enable:
        variables["ansible_become"] = True
        variables["ansible_become_method"] = "ansible.netcommon.enable"
    return variables


def _ansible_lookup(variable: str) -> str:
    return f"{{{{ lookup('ansible.builtin.env', '{variable}') }}}}"


def nornir_hosts(hosts: Iterable[InventoryHost]) -> str:
    """``hosts.yaml`` of Nornir's SimpleInventory; it needs no file of groups or defaults."""
    inventory: dict[str, Any] = {}
    variables: dict[str, None] = {}
    for host in hosts:
        found = _netmiko_line(host)
        if found is None or not found[1].port:
            continue
        device_type, line = found
        facts: dict[str, Any] = {"hostname": line.host, "port": line.port, "platform": device_type}
        if host.user:
            facts["username"] = host.user
        data = {"profile": host.profile}
        if host.password_variable:
            data["password_variable"] = host.password_variable
            variables[host.password_variable] = None
        if host.enable_variable:
            data["enable_variable"] = host.enable_variable
        facts["data"] = data
        inventory[host.name] = facts
    return _head(variables, "set host.password to it; data says which") + _yaml(inventory)


def netmiko_devices(hosts: Iterable[InventoryHost]) -> str:
    """``.netmiko.yml``: name to the arguments of ConnectHandler, and a group for each profile."""
    devices: dict[str, Any] = {}
    groups: dict[str, list[str]] = {}
    variables: dict[str, None] = {}
    for host in hosts:
        found = _netmiko_line(host)
        if found is None:
            continue
        device_type, line = found
        facts: dict[str, Any] = {"device_type": device_type}
        if line.port:
            facts.update(host=line.host, port=line.port)
        else:
            facts["serial_settings"] = {"port": line.path, "baudrate": _baud(line)}
        if host.user:
            facts["username"] = host.user
        if host.password_variable:
            variables[host.password_variable] = None
        if host.enable_variable:
            variables[host.enable_variable] = None
        devices[host.name] = facts
        groups.setdefault(host.profile, []).append(host.name)
    return _head(variables, "pass it as password= or secret=") + _yaml({**devices, **groups})


def ssh_config(hosts: Iterable[InventoryHost]) -> str:
    """OpenSSH client configuration, for ``ssh -F FILE NAME``."""
    blocks = []
    for host in hosts:
        line = host.line("ssh")
        if line is None:
            continue
        options = {"HostName": line.host, "Port": line.port}
        if host.user:
            options["User"] = host.user
        options.update(
            StrictHostKeyChecking="no",
            UserKnownHostsFile="/dev/null",
            LogLevel="ERROR",
            PubkeyAuthentication="no",
        )
        settings = "".join(f"    {name} {value}\n" for name, value in options.items())
        blocks.append(f"Host {host.name}\n{settings}")
    return "\n".join(blocks)


def pyats_testbed(hosts: Iterable[InventoryHost]) -> str:
    """Testbed of pyATS; devices go by their host names, as Unicon looks for these in prompts."""
    devices: dict[str, Any] = {}
    for host in hosts:
        connections = _connections(host)
        if not connections:
            continue
        facts: dict[str, Any] = {"os": host.platform.pyats, "type": host.platform.kind}
        if host.name != host.hostname:
            facts["alias"] = host.name
        credentials: dict[str, Any] = {}
        if host.password_variable:
            credentials["default"] = {
                "username": host.user,
                "password": f"%ENV{{{host.password_variable}}}",
            }
        if host.enable_variable:
            credentials["enable"] = {"password": f"%ENV{{{host.enable_variable}}}"}
        if credentials:
            facts["credentials"] = credentials
        facts["connections"] = {"defaults": {"class": "unicon.Unicon"}, **connections}
        devices[host.hostname] = facts
    return _yaml({"devices": devices})


def _connections(host: InventoryHost) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in ("ssh", "telnet", "tcp"):
        line = host.line(kind)
        if line is None:
            continue
        facts: dict[str, Any] = {
            "protocol": "ssh" if kind == "ssh" else "telnet",
            "ip": line.host,
            "port": line.port,
        }
        if kind == "ssh":
            facts["ssh_options"] = _SSH_OPTIONS
        found["cli" if not found else kind] = facts
    return found


def _netmiko_line(host: InventoryHost) -> tuple[str, Endpoint] | None:
    """``device_type`` and line that netmiko is to use; ``None``: it has no driver for any."""
    platform = host.platform
    for device_type, kinds in (
        (platform.netmiko, ("ssh",)),
        (platform.netmiko_telnet, ("telnet", "tcp")),
        (platform.netmiko_serial, ("pty",)),
    ):
        line = host.line(*kinds)
        if device_type and line is not None:
            return device_type, line
    return None


def _baud(line: Endpoint) -> int:
    return line.options.baud or _DEFAULT_BAUD


def _head(variables: Iterable[str], what_to_do: str) -> str:
    names = ", ".join(variables)
    return f"# No password is in here. Environment: {names}; {what_to_do}.\n" if names else ""


def _yaml(data: object) -> str:
    text: str = yaml.dump(
        data, Dumper=yaml.CSafeDumper, sort_keys=False, default_flow_style=False, width=1000
    )
    return text


FORMATS: dict[str, Callable[[Iterable[InventoryHost]], str]] = {
    "ansible": ansible_inventory,
    "nornir": nornir_hosts,
    "netmiko": netmiko_devices,
    "ssh-config": ssh_config,
    "testbed": pyats_testbed,
}
"""By the names of the command line."""


def hosts_left_out(form: str, hosts: Iterable[InventoryHost]) -> list[str]:
    """Names of the devices that have no line which the tool can use.

    Args:
        form: one of `FORMATS`.
        hosts: of the rack.
    """
    can_use: dict[str, Callable[[InventoryHost], object]] = {
        "ansible": lambda host: host.line("ssh"),
        "ssh-config": lambda host: host.line("ssh"),
        "testbed": _connections,
        "netmiko": _netmiko_line,
        "nornir": lambda host: host.line("ssh", "telnet", "tcp") and _netmiko_line(host),
    }
    return [host.name for host in hosts if not can_use[form](host)]

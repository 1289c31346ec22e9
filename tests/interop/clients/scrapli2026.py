"""scrapli (the 2026 generation, a rewrite on a native library) enrolls a device of any platform.

Usage: scrapli2026.py DEFINITION TRANSPORT HOST PORT URL PIN; environment: CHALLENGE, and where
the device asks for them USER_NAME, PASSWORD and ENABLE_PASSWORD. DEFINITION is one that scrapli
brings, for example ``cisco_iosxe``; TRANSPORT: ``telnet``, ``bin`` (ssh itself) or ``ssh2``. Prints
what it saw as JSON.
"""

import json
import os
import sys
from collections.abc import Callable

import platform_steps as steps
from scrapli import AuthOptions, Cli, LookupKeyValue, ReadCallback, SessionOptions
from scrapli.transport import BinOptions, Ssh2Options, TelnetOptions

definition, transport, host, port, url, pin = sys.argv[1:7]
user = os.environ.get("USER_NAME", "")
challenge = os.environ["CHALLENGE"]
TRANSPORTS = {
    "telnet": TelnetOptions,
    "bin": lambda: BinOptions(enable_strict_key=False),
    "ssh2": Ssh2Options,
}


def typing(answer: str) -> Callable[..., None]:
    """A callback that types an answer."""
    return lambda cli, *_: cli.write_and_return(answer)


def hold_dialog(command: str, *answers: tuple[str, str], end: str) -> str:
    """Types a command, answers its questions, and gives everything up to ``end``."""
    callbacks = [
        ReadCallback(question, contains=question, once=True, callback=typing(answer))
        for question, answer in answers
    ]
    done = ReadCallback("done", contains=end, completes=True, callback=lambda *_: None)
    return box.read_with_callbacks([*callbacks, done], initial_input=command).result


def enroll_ios() -> dict:
    """A router: trustpoint with the pin, dialog of the enrollment."""
    seen = {"version": box.send_input("sh ver | include Version").result}
    configured = box.send_inputs(steps.ios_trustpoint(url, pin), requested_mode="configuration")
    seen["failed"] = configured.failed
    seen["trusted"] = box.send_input("cry pki auth LAB", requested_mode="configuration").result
    seen["sent"] = hold_dialog(
        "crypto pki enr LAB",
        ("Password: ", challenge),
        ("Re-enter pass", challenge),
        ("from CA? [yes/no]: ", "yes"),
        end="the fingerprint.",
    )
    seen["certificates"] = steps.look_until(
        lambda: box.send_input("show crypto pki certificates LAB").result, steps.ios_is_enrolled
    )
    seen["filtered"] = box.send_input("sh cry pki cert LAB | inc Status").result
    return seen


def enroll_asa() -> dict:
    """A firewall that shows the fingerprint and asks."""
    seen = {"version": box.send_input("show version | include Version").result}
    configured = box.send_inputs(steps.asa_trustpoint(url), requested_mode="configuration")
    seen["failed"] = configured.failed
    box.enter_mode("configuration")
    seen["trusted"] = hold_dialog(
        "crypto ca authenticate LAB", ("[yes/no]: ", "yes"), end="certificate accepted."
    )
    seen["sent"] = hold_dialog(
        "crypto ca enroll LAB",
        ("Password: ", challenge),
        ("Re-enter pass", challenge),
        ("from CA? [yes/no]: ", "yes"),
        end="granted by CA!",
    )
    seen["certificates"] = box.send_input("show crypto ca certificates LAB").result
    return seen


def enroll_fortios() -> dict:
    """A FortiGate: everything is a command of one line."""
    seen = {"version": box.send_input("get system status").result}
    seen["trusted"] = box.send_input(steps.fortios_import(url, pin)).result
    seen["sent"] = box.send_input(steps.fortios_generate(url, challenge)).result
    seen["certificates"] = steps.look_until(
        lambda: box.send_input(steps.FORTIOS_SHOW).result, steps.fortios_is_enrolled
    )
    return seen


def enroll_junos() -> dict:
    """An SRX: committed CA profile, a question about the CA, key, request."""
    seen = {"version": box.send_input("show version").result}
    lines = [*steps.junos_ca_profile(url), "show | compare", "commit"]
    configured = box.send_inputs(lines, requested_mode="configuration")
    seen["configured"], seen["failed"] = configured.result, configured.failed
    seen["trusted"] = box.send_prompted_input(
        steps.JUNOS_TRUST, "[yes,no] (no)", "", "yes", requested_mode="exec"
    ).result
    seen["key"] = box.send_input(steps.JUNOS_KEY).result
    seen["sent"] = box.send_input(steps.junos_enroll(challenge)).result
    seen["certificates"] = steps.look_until(
        lambda: box.send_input(steps.JUNOS_SHOW).result, steps.junos_is_enrolled
    )
    return seen


def enroll_panos() -> dict:
    """A PAN-OS firewall: committed SCEP profile, one command."""
    seen = {"version": box.send_input("show system info").result}
    lines = [*steps.panos_scep_profile(url, pin, challenge), "commit"]
    configured = box.send_inputs(lines, requested_mode="configuration")
    seen["configured"], seen["failed"] = configured.result, configured.failed
    seen["sent"] = box.send_input(steps.PANOS_ENROLL, requested_mode="exec").result
    seen["certificates"] = box.send_input(steps.PANOS_SHOW).result
    return seen


ENROLL = {
    "cisco_iosxe": enroll_ios,
    "cisco_asa": enroll_asa,
    "fortinet_fortios": enroll_fortios,
    "juniper_junos": enroll_junos,
    "paloalto_panos": enroll_panos,
}

lookups = [
    LookupKeyValue(key="enable", value=os.environ[name])
    for name in ["ENABLE_PASSWORD"]
    if name in os.environ
]
box = Cli(
    host,
    port=int(port),
    definition_file_or_name=definition,
    auth_options=AuthOptions(
        username=user or None,
        password=os.environ.get("PASSWORD") or None,
        bypass_in_session_auth=not user,
        lookups=lookups,
    ),
    session_options=SessionOptions(operation_timeout_s=60),
    transport_options=TRANSPORTS[transport](),
)
with box:
    shown = ENROLL[definition]()
print(json.dumps(shown))

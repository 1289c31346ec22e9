"""scrapli (the 2026 generation, a rewrite on a native library) enrolls an emulated IOS router.

Usage: scrapli2026_cisco_ios.py TRANSPORT HOST PORT URL PIN; environment: CHALLENGE,
ENABLE_PASSWORD, and where the device asks for a login USER_NAME and PASSWORD. TRANSPORT:
``telnet``, ``bin`` (ssh itself) or ``ssh2``. Prints what it saw as JSON.
"""

import json
import os
import sys

from scrapli import AuthOptions, Cli, LookupKeyValue, ReadCallback, SessionOptions
from scrapli.transport import BinOptions, Ssh2Options, TelnetOptions

transport, host, port, url, pin = sys.argv[1:6]
user = os.environ.get("USER_NAME", "")
challenge = os.environ["CHALLENGE"]

TRUSTPOINT = [
    "ip domain name example.test",
    "cry key gen rsa label R1-KEY mod 2048",
    "cry pki trustp LAB",
    f"enr url {url}",
    "subject-n CN=R1,O=Example",
    "rsakeypair R1-KEY",
    "serial-number none",
    "ip-addr none",
    f"finger {pin}",
    "exit",
]
TRANSPORTS = {
    "telnet": TelnetOptions,
    "bin": lambda: BinOptions(enable_strict_key=False),
    "ssh2": Ssh2Options,
}


def done(*_: object) -> None:
    """The dialog is over."""


def typing(answer: str):
    """A callback that types an answer."""
    return lambda cli, *_: cli.write_and_return(answer)


router = Cli(
    host,
    port=int(port),
    definition_file_or_name="cisco_iosxe",
    auth_options=AuthOptions(
        username=user or None,
        password=os.environ.get("PASSWORD") or None,
        bypass_in_session_auth=not user,
        lookups=[LookupKeyValue(key="enable", value=os.environ["ENABLE_PASSWORD"])],
    ),
    session_options=SessionOptions(operation_timeout_s=60),
    transport_options=TRANSPORTS[transport](),
)
seen = {}
with router:
    seen["version"] = router.send_input("sh ver | include Version").result
    configured = router.send_inputs(TRUSTPOINT, requested_mode="configuration")
    seen["configured"], seen["failed"] = configured.result, configured.failed
    seen["trusted"] = router.send_input("cry pki auth LAB", requested_mode="configuration").result
    answers = [
        ReadCallback("password", contains="Password: ", once=True, callback=typing(challenge)),
        ReadCallback("again", contains="Re-enter pass", once=True, callback=typing(challenge)),
        ReadCallback("send it", contains="from CA? [yes/no]: ", once=True, callback=typing("yes")),
        ReadCallback("sent", contains="the fingerprint.", completes=True, callback=done),
    ]
    seen["sent"] = router.read_with_callbacks(answers, initial_input="crypto pki enr LAB").result
    for _ in range(50):
        shown = router.send_input("show crypto pki certificates LAB").result
        if "Pending" not in shown and "Serial Number" in shown.partition("CA Cert")[0]:
            break
    seen["certificates"] = shown
    seen["filtered"] = router.send_input("sh cry pki cert LAB | inc Status").result
print(json.dumps(seen))

"""pyATS: Unicon and the PKI calls of the genie SDK enroll an emulated IOS or IOS XE router.

Usage: unicon_cisco_ios.py OS HOST PORT URL PIN; environment: CHALLENGE, ENABLE_PASSWORD, USER_NAME
and PASSWORD. OS: ``ios`` or ``iosxe``. Prints what it saw as JSON.
"""

import json
import os
import sys

from genie.libs.sdk.apis.iosxe.pki import configure as pki
from unicon import Connection

system, host, port, url, pin = sys.argv[1:6]
FILE_PASSWORD = "carried-12"

router = Connection(
    hostname="R1",
    start=[f"telnet {host} {port}"],
    os=system,
    credentials={
        "default": {"username": os.environ["USER_NAME"], "password": os.environ["PASSWORD"]},
        "enable": {"password": os.environ["ENABLE_PASSWORD"]},
    },
    log_stdout=False,
    log_buffer=True,
)
router.connect()
router.configure(
    ["ip domain name example.test", "crypto key generate rsa label LAB modulus 2048 exportable"]
)
pki.configure_trustpoint(
    router, "none", "LAB", rsa_key_size=2048, enrollment_url_path=url, fingerprint=pin,
    ip_address="none", ser_number="none", sub_name="CN=R1,O=Example", enrollment_mode=True,
)  # fmt: skip
pki.configure_pki_authenticate(router, "LAB")
pki.configure_pki_enroll(router, "LAB", os.environ["CHALLENGE"])
shown = ""
for _ in range(200):
    shown = router.execute("show crypto pki certificates LAB")
    if "General Purpose" in shown:
        break
exported = pki.configure_pki_export(
    router, "LAB", "pem", FILE_PASSWORD, pem_option="terminal", prvt_key_encry="aes"
)
file_system = {"pkcs_media_type": "flash:", "pkcs_file": "lab.p12"}
pki.configure_pki_export(router, "LAB", "pkcs12", FILE_PASSWORD, **file_system)
pki.configure_pki_import(router, "COPY", "pkcs12", file_password=FILE_PASSWORD, **file_system)
copied = router.execute("show crypto pki certificates COPY")
router.copy(source="running-config", dest="startup-config")
pki.remove_pki_certificate_chain(router, "COPY")
removed = router.execute("show crypto pki certificates COPY")
pki.unconfigure_trustpoint(router, "COPY")
left = router.execute("show running-config | include crypto pki trustpoint")
router.disconnect()
print(
    json.dumps(
        {
            "certificates": shown,
            "exported": exported,
            "copied": copied,
            "removed": removed,
            "left": left,
        }
    )
)

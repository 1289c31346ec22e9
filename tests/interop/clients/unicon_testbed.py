"""pyATS: Unicon, genie parsers and the PKI calls of the genie SDK enroll a router of a testbed.

Usage: unicon_testbed.py TESTBED DEVICE CONNECTION URL PIN; environment: LAB_PASSWORD and
LAB_ENABLE, as TESTBED says. CONNECTION: one of the device. Prints what it saw as JSON.
"""

import json
import sys

from genie.testbed import load

file, name, connection, url, pin = sys.argv[1:6]
FILE_PASSWORD = "carried-12"

router = load(file).devices[name]
router.connect(
    via=connection, log_stdout=False, settings={"POST_DISCONNECT_WAIT_SEC": 0},
    learn_hostname=True,
)  # fmt: skip
pki = router.api
router.configure(
    ["ip domain name example.test", "crypto key generate rsa label PYATS modulus 2048 exportable"]
)
pki.configure_trustpoint(
    "none", "PYATS", rsa_key_size=2048, enrollment_url_path=url, fingerprint=pin,
    ip_address="none", ser_number="none", sub_name="CN=R1,O=Example", enrollment_mode=True,
)  # fmt: skip
pki.configure_pki_authenticate("PYATS")
pki.configure_pki_enroll("PYATS", "not-asked-for")
show = "show crypto pki certificates PYATS"
for _ in range(200):
    shown = router.execute(show)
    if "General Purpose" in shown:
        break
parsed = router.parse(show, output=shown)
exported = pki.configure_pki_export(
    "PYATS", "pem", FILE_PASSWORD, pem_option="terminal", prvt_key_encry="aes"
)
file_system = {"pkcs_media_type": "flash:", "pkcs_file": "lab.p12"}
pki.configure_pki_export("PYATS", "pkcs12", FILE_PASSWORD, **file_system)
pki.configure_pki_import("COPY", "pkcs12", file_password=FILE_PASSWORD, **file_system)
copied = router.parse("show crypto pki certificates COPY")
router.copy(source="running-config", dest="startup-config")
pki.remove_pki_certificate_chain("COPY")
removed = router.execute("show crypto pki certificates COPY")
pki.unconfigure_trustpoint("COPY")
left = router.execute("show running-config | include crypto pki trustpoint")
router.disconnect()
print(
    json.dumps(
        {
            "parsed": parsed,
            "copied": copied,
            "exported": exported,
            "removed": removed,
            "left": left,
        }
    )
)

"""A router whose keys live in each kind of key store, from the console to the server and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sceplab_hsm.api import KeyAlgorithm
from tests.support.served_device import Operator, Site, open_site
from tests.support.softhsm import make_token, open_token

PIN = "12345678"


def own_store(folder: Path) -> tuple[str, str]:
    """The software store of the device's state folder."""
    del folder
    return "", ""


def softhsm(folder: Path) -> tuple[str, str]:
    """A new SoftHSM token."""
    del folder
    token = make_token()
    return token.uri, token.secret_reference


def tpm_stub(folder: Path) -> tuple[str, str]:
    """A new TPM of Python."""
    pin = folder / "pin"
    pin.write_text(PIN + "\n")
    pin.chmod(0o600)
    return f"tpm-stub:{folder / 'chip'}", f"file:{pin}"


PLACES: dict[str, tuple[Callable[[Path], tuple[str, str]], str]] = {
    "soft": (own_store, " Storage Device: private-config"),
    "pkcs11": (softhsm, " Storage Device: usbtoken0:"),
    "tpm-stub": (tpm_stub, " On Cryptographic Device: tpm-stub (label=K, key index=0)"),
}
"""By scheme: URI and secret of an empty store, and how the console names the place."""


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest) -> str:
    """Scheme of a key store."""
    return str(request.param)


async def enroll(site: Site, operator: Operator, *extra: str) -> str:
    """Makes the key pair and enrolls with it; what the enrollment dialog printed."""
    await operator.type("crypto key generate rsa label K modulus 2048", *site.trustpoint(*extra))
    password = site.password()
    return await operator.type("crypto pki enroll LAB", password, password, "yes")


def shown_key(text: str) -> str:
    """Public key of a key listing, hexadecimal."""
    return re.sub(r"\s", "", text.partition("Key Data:")[2].partition("R1(")[0])


@pytest.mark.covers("L6")
async def test_enrolls_and_goes_on_after_a_restart(place: str, tmp_path: Path) -> None:
    """The key of the certificate lives where the console says; a restart finds both."""
    make, words = PLACES[place]
    keys, secret = make(tmp_path)
    async with open_site(tmp_path / "r1", keys=keys, keys_secret=secret) as site:
        async with site.device() as operator:
            assert "%PKI-6-CERTRET" in await enroll(site, operator)
            shown = await operator.type("do show crypto key mypubkey rsa")
            assert words in shown.splitlines()
            certificate = operator.certificate()
            assert certificate is not None
            (record,) = site.server.administration.certificates()
            assert f"{certificate.serial_number:X}" == record.serial.upper().lstrip("0")
            (key,) = operator.hosted.device.port.keys()
            assert shown_key(shown) == key.public_key_der.hex().upper()
            assert key.public_key_der == certificate.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
            assert "[OK]" in await operator.type("do write memory")
        async with site.device() as operator:
            assert operator.hosted.is_restored
            assert operator.certificate() == certificate
            assert operator.hosted.device.port.keys() == [key]
            assert "Status: Available" in await operator.type("do show crypto pki certificates LAB")
    assert (tmp_path / "r1" / "keys").exists() == (place == "soft")


async def test_a_label_keeps_its_meaning_over_renewal_and_restart(
    place: str, tmp_path: Path
) -> None:
    """After a renewal with a new key, and a restart, the label means the new key."""
    keys, secret = PLACES[place][0](tmp_path)
    async with open_site(tmp_path / "r1", keys=keys, keys_secret=secret) as site:
        async with site.device() as operator:
            await enroll(site, operator, "auto-enroll 70 regenerate")
            first = operator.certificate()
            await operator.type("do write memory")
            await site.pass_time(operator, days=300)
            renewed = operator.certificate()
            assert first is not None
            assert renewed is not None
            assert renewed.public_key() != first.public_key()
            (key,) = operator.hosted.device.port.keys()
        async with site.device() as operator:
            assert operator.certificate() == renewed
            assert operator.hosted.device.port.keys() == [key]
            assert key.label == "K"


async def test_a_new_key_replaces_the_one_of_its_label(place: str, tmp_path: Path) -> None:
    """The label means the new key at once; nothing of the old one is left in the store."""
    keys, secret = PLACES[place][0](tmp_path)
    async with (
        open_site(tmp_path / "r1", keys=keys, keys_secret=secret) as site,
        site.device() as operator,
    ):
        await operator.type("crypto key generate rsa label K modulus 2048")
        (before,) = operator.hosted.device.port.keys()
        printed = await operator.type("crypto key generate rsa label K modulus 2048 exportable")
        assert "% They will be replaced." in printed
        assert "[OK]" in printed
        (after,) = operator.hosted.device.port.keys()
        assert (after.label, after.exportable) == ("K", place == "soft"), "chips let no key out"
        assert after.public_key_der != before.public_key_der
        await operator.type("crypto key zeroize rsa K", "yes")
        assert operator.hosted.device.port.keys() == []


async def test_zeroizing_leaves_the_keys_of_others_in_a_shared_token(tmp_path: Path) -> None:
    """Keys that the device neither made nor labelled are listed, and are there afterwards."""
    token = make_token()
    with closing(open_token(token)) as store:
        for key_id in ("agent", "agent.2", "K"):
            store.generate(key_id, KeyAlgorithm.RSA_2048)
        before = store.list_keys()
        async with (
            open_site(tmp_path / "r1", keys=token.uri, keys_secret=token.secret_reference) as site,
            site.device() as operator,
        ):
            await operator.type("crypto key generate rsa label OWN modulus 2048")
            assert "OWN" in [info.key_id for info in store.list_keys()]
            printed = await operator.type("crypto key zeroize rsa", "yes")
            await operator.type("crypto key generate rsa label K modulus 2048")
            await operator.type("crypto key zeroize rsa K", "yes")
        assert "agent" not in printed
        assert store.list_keys() == before


async def test_a_replaced_key_enrolls_again(place: str, tmp_path: Path) -> None:
    """With a new key under its label an enrolled router enrolls anew; the certificate has it."""
    keys, secret = PLACES[place][0](tmp_path)
    async with (
        open_site(tmp_path / "r1", keys=keys, keys_secret=secret) as site,
        site.device() as operator,
    ):
        await enroll(site, operator)
        first = operator.certificate()
        await operator.type("crypto key generate rsa label K modulus 2048")
        password = site.password()
        printed = await operator.type("crypto pki enroll LAB", "yes", password, password, "yes")
        assert "%PKI-6-CERTRET" in printed
        second = operator.certificate()
        assert first is not None
        assert second is not None
        (key,) = operator.hosted.device.port.keys()
        assert second.public_key() != first.public_key()
        assert key.public_key_der == second.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )


async def test_a_chip_without_large_keys_keeps_the_old_one(tmp_path: Path) -> None:
    """The box refuses a size its chip does not make before it touches the key of that label."""
    keys, secret = tpm_stub(tmp_path)
    async with (
        open_site(tmp_path / "r1", keys=keys, keys_secret=secret) as site,
        site.device() as operator,
    ):
        await operator.type("crypto key generate rsa label K modulus 2048")
        before = operator.hosted.device.port.keys()
        printed = await operator.type("crypto key generate rsa label K modulus 4096")
        assert "% Error in generating keys: no available resources" in printed
        assert "replaced" not in printed
        assert operator.hosted.device.port.keys() == before

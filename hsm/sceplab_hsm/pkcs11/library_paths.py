"""Finds a PKCS#11 module's file, and says which Debian package brings a missing one."""

from __future__ import annotations

import os
from pathlib import Path

from sceplab_hsm.errors import ModuleMissingError
from sceplab_hsm.pkcs11.uri import Pkcs11Uri

_FOLDERS = ("/usr/lib/softhsm", "/usr/lib/*/softhsm", "/usr/lib/*/pkcs11", "/usr/lib/*", "/usr/lib")
_PACKAGES = {
    "softhsm2": "softhsm2",
    "opensc-pkcs11": "opensc-pkcs11",
    "tpm2_pkcs11": "libtpm2-pkcs11-1",
    "p11-kit-client": "p11-kit-modules",
    "p11-kit-proxy": "p11-kit-modules",
}


def module_file(uri: Pkcs11Uri) -> Path:
    """The file of the module a URI names.

    Raises:
        ModuleMissingError: with the package to install.

    Spec: RFC 7512 §2.3 (module-name is without ``lib`` and without suffix).
    """
    if uri.module_path is not None:
        path = Path(uri.module_path).expanduser()
        if path.is_file():
            return path
        raise ModuleMissingError(f"PKCS#11 module {path} is not there{_advice(path.name)}")
    name = uri.module_name or ""
    if os.sep not in name:
        for folder in _FOLDERS:
            for candidate in (f"lib{name}.so", f"{name}.so", f"lib{name}.so.1"):
                for path in sorted(Path("/").glob(f"{folder[1:]}/{candidate}")):
                    return path
    raise ModuleMissingError(f"no PKCS#11 module '{name}' is installed{_advice(name)}")


def _advice(name: str) -> str:
    for stem, package in _PACKAGES.items():
        if stem in name:
            return f"; on Debian: apt-get install {package}"
    return "; install it, or correct module-path or module-name"

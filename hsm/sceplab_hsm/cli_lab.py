"""The commands of `sceplab-hsm` that make tokens and chips for labs."""

from __future__ import annotations

import argparse
import shlex

from sceplab_hsm.cli import EXIT_FAILED
from sceplab_hsm.cli_output import CommandError, Output, pairs
from sceplab_hsm.registry import open_key_store
from sceplab_hsm.secret import secrets_from

_NO_PROTECTION = "The PIN lies in a file next to it: fine for a lab, no protection."


def softhsm_init_command(arguments: argparse.Namespace, output: Output) -> None:
    """Makes a SoftHSM token, or finds the one that is there."""
    from sceplab_hsm.pkcs11.softhsm import init_softhsm

    token = init_softhsm(arguments.directory, label=arguments.label)
    output.answer(
        {
            "store": token.uri,
            "secret": token.secret_reference,
            "label": token.label,
            "softhsm2_conf": str(token.configuration),
        },
        _ready(
            token.uri,
            token.secret_reference,
            ("for other programs", f"export SOFTHSM2_CONF={shlex.quote(str(token.configuration))}"),
        ),
    )


def swtpm_init_command(arguments: argparse.Namespace, output: Output) -> None:
    """Starts a software TPM, or ends it."""
    from sceplab_hsm.tpm.swtpm import init_swtpm, running_swtpm

    directory = arguments.directory.expanduser().absolute()
    if arguments.stop:
        running = running_swtpm(directory / "state")
        if running is None:
            raise CommandError(f"no software TPM runs in {directory}", EXIT_FAILED)
        running.stop()
        output.answer({"stopped": running.pid}, f"stopped; the keys stay in {directory}")
        return
    lab = init_swtpm(directory, dictionary_attack=arguments.da)
    # An empty store, so that whoever comes next needs not say that there is none.
    open_key_store(lab.uri, secrets_from(lab.secret_reference), create=True).close()
    output.answer(
        {
            "store": lab.uri,
            "secret": lab.secret_reference,
            "tcti": lab.instance.tcti,
            "pid": lab.instance.pid,
        },
        _ready(
            lab.uri,
            lab.secret_reference,
            ("for other programs", f"export TPM2TOOLS_TCTI={shlex.quote(lab.instance.tcti)}"),
            ("to end it", f"sceplab hsm swtpm-init {shlex.quote(str(directory))} --stop"),
        ),
    )


def _ready(uri: str, secret: str, *more: tuple[str, str]) -> str:
    trial = f"sceplab hsm probe {shlex.quote(uri)} --secret {shlex.quote(secret)} --try"
    rows = [("store", uri), ("secret", secret), *more, ("try it", trial)]
    return f"{pairs(rows)}\n{_NO_PROTECTION}"

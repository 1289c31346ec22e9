"""Hand-off ``hook``: files as in ``files``, and a command of the operator at chosen steps.

The command gets these variables and, but for ``PATH`` and ``LANG``, no others:

=============================== ===================================================================
``SCEPLAB_STEP``                ``prepare``, ``install``, ``verify``, ``commit`` or ``rollback``
``SCEPLAB_TRUSTPOINT``          name of the trustpoint
``SCEPLAB_GENERATION``          number of the certificate, from 1
``SCEPLAB_CURRENT``             the link that consumers read through
``SCEPLAB_CERTIFICATE``         file with the new certificate
``SCEPLAB_CHAIN``               file with its CA certificates, issuer first, anchor last
``SCEPLAB_KEY``                 file with the key; only where the key leaves its store
``SCEPLAB_KEY_URI``             where the key is, without secrets
``SCEPLAB_PREVIOUS_CERTIFICATE`` the same of the generation before; only where there is one
``SCEPLAB_PREVIOUS_CHAIN``
``SCEPLAB_PREVIOUS_KEY``
=============================== ===================================================================

Exit code 0: done. 75 (``EX_TEMPFAIL``): it may go well later. Any other, or too long: it does not.
It runs after the files of its step are in place, at ``commit`` before the old ones are removed.
It may be run again for a step that was interrupted.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sceplab_agent.config_table import ConfigTable
from sceplab_agent.errors import HandOffError
from sceplab_agent.handoff import files
from sceplab_agent.handoff.api import Delivery, Memo
from sceplab_agent.handoff.bundle import Part
from sceplab_agent.handoff.files import NEW, PREVIOUS, FilesHandOff
from sceplab_agent.handoff.hook_process import HookTimeoutError, run_hook
from sceplab_agent.text import clean_text

STEPS = ("prepare", "install", "verify", "commit", "rollback")
_DEFAULT_STEPS = ("install", "rollback")
_MAY_PASS = os.EX_TEMPFAIL
_SHOWN_CHARS = 400
_VARIABLES = {"CERTIFICATE": Part.CERTIFICATE, "CHAIN": Part.CHAIN, "KEY": Part.KEY}
_LEAST_KEY_LINE = 16
"""Characters; shorter ends of a key's base64 tell nothing and occur by chance."""
_LONGEST_S = 3600.0
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """What is run."""

    command: tuple[str, ...]
    """Program, by its path or by name, and arguments."""
    steps: tuple[str, ...] = _DEFAULT_STEPS
    """When; of `STEPS`."""
    timeout_s: float = 30.0


class HookHandOff:
    """Hands over as files and tells a command.

    Args:
        files: where the command finds certificate and key.
        settings: what is run.
    """

    def __init__(self, files: FilesHandOff, settings: HookSettings) -> None:
        self._files = files
        self._settings = settings

    @property
    def name(self) -> str:
        """See `HandOff.name`."""
        return self._files.name

    @property
    def files(self) -> FilesHandOff:
        """The files beside it."""
        return self._files

    def prepare(self, delivery: Delivery) -> Memo:
        """See `HandOff.prepare`."""
        memo = self._files.prepare(delivery)
        try:
            self._run("prepare", delivery, memo)
        except HandOffError:
            self._files.roll_back(delivery, memo)
            raise
        return memo

    def install(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.install`."""
        self._files.install(delivery, memo)
        self._run("install", delivery, memo)

    def verify(self, delivery: Delivery, memo: Memo) -> str:
        """See `HandOff.verify`."""
        proof = self._files.verify(delivery, memo)
        said = self._run("verify", delivery, memo)
        if "verify" not in self._settings.steps:
            return proof
        return f"{proof}; {self._settings.command[0]} said: {said or 'nothing, with exit code 0'}"

    def commit(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.commit`. The old files go, whatever the command says.

        Raises:
            HandOffError: the command failed.
        """
        try:
            self._run("commit", delivery, memo)
        finally:
            self._files.commit(delivery, memo)

    def roll_back(self, delivery: Delivery, memo: Memo) -> None:
        """See `HandOff.roll_back`. The command runs once the old files are back in their place."""
        self._files.switch_back(memo)
        try:
            self._run("rollback", delivery, memo)
        finally:
            self._files.roll_back(delivery, memo)

    def _run(self, step: str, delivery: Delivery, memo: Memo) -> str:
        """Runs the command where the step asks for it; gives what it printed."""
        if step not in self._settings.steps:
            return ""
        command, timeout_s = self._settings.command, self._settings.timeout_s
        where = f"{command[0]} ({step})"
        try:
            environment = self._environment(step, delivery, memo)
            end = run_hook(command, environment, timeout_s=timeout_s)
        except HookTimeoutError as error:
            said = _quote(self._shown(error.output, delivery))
            raise self._error(f"{where} did not end within {timeout_s:g} s{said}", True) from error
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "a word cannot be passed on"
            raise self._error(f"{where} cannot be started: {reason}", False) from error
        said = self._shown(end.output, delivery)
        if end.status != 0:
            how = f"exit code {end.status}"
            if end.status < 0:
                how = f"ended by {signal.Signals(-end.status).name}"
            raise self._error(f"{where}: {how}{_quote(said)}", end.status == _MAY_PASS)
        return said

    def _environment(self, step: str, delivery: Delivery, memo: Memo) -> dict[str, str]:
        environment = {
            "SCEPLAB_STEP": step,
            "SCEPLAB_TRUSTPOINT": delivery.trustpoint,
            "SCEPLAB_GENERATION": str(delivery.generation),
            "SCEPLAB_CURRENT": str(self._files.link),
            "SCEPLAB_KEY_URI": delivery.key_uri,
        }
        for prefix, key in (("SCEPLAB_", NEW), ("SCEPLAB_PREVIOUS_", PREVIOUS)):
            paths = self._files.paths(delivery, memo.get(key, ""))
            environment |= {
                prefix + name: str(paths[part])
                for name, part in _VARIABLES.items()
                if part in paths and paths[part].is_file()
            }
        return environment

    def _shown(self, output: bytes, delivery: Delivery) -> str:
        """End of the output, on one line, without key and passphrase."""
        text = _KEY_BLOCK.sub("***", output.decode("utf-8", "replace"))
        for secret in self._secrets(delivery):
            text = text.replace(secret, "***")
        # The end of an output says most.
        return clean_text(text[-_SHOWN_CHARS:], max_chars=_SHOWN_CHARS)

    def _secrets(self, delivery: Delivery) -> Iterable[str]:
        if delivery.key_pem is not None:
            lines = delivery.key_pem().decode("ascii").splitlines()
            yield from (line for line in lines if len(line) >= _LEAST_KEY_LINE)
        yield from self._files.secrets(delivery)

    def _error(self, reason: str, may_pass: bool) -> HandOffError:
        return HandOffError(self.name, reason, may_pass=may_pass)


def open_handoff(name: str, table: ConfigTable, base_dir: Path) -> HookHandOff:
    """Makes the hand-off of its table; see `registry.HandOffFactory`."""
    command = table.texts("command", _word)
    if not command:
        table.problem("command", 'is missing; write for example ["/usr/sbin/service-reload"]')
    return HookHandOff(
        files.open_handoff(name, table, base_dir),
        HookSettings(
            command=command,
            steps=table.texts("steps", _step) or _DEFAULT_STEPS,
            timeout_s=table.number("timeout_s", 30.0, minimum=0.1, maximum=_LONGEST_S),
        ),
    )


def _word(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a NUL in it")
    return text


def _step(text: str) -> str:
    if text not in STEPS:
        raise ValueError(f"is one of {', '.join(STEPS)}")
    return text


def _quote(text: str) -> str:
    return f": {text}" if text else ""

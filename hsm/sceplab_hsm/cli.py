"""`sceplab-hsm`: list, generate, show, delete, probe, bench. Parses; the commands come late."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sceplab_hsm.api import KeyAlgorithm
from sceplab_hsm.errors import KeyStoreError

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_KEY_STORE, EXIT_INTERRUPTED = 0, 1, 2, 6, 130
"""As those of `sceplab-agent`."""

_EPILOG = """\
examples:
  sceplab-hsm generate soft:keys router1 --create --secret file:passphrase
  sceplab-hsm list soft:keys --secret file:passphrase
  sceplab-hsm softhsm-init token             a lab token; prints its URI and its PIN's reference
  sceplab-hsm probe 'pkcs11:token=lab?module-path=/usr/lib/softhsm/libsofthsm2.so' --try
  sceplab-hsm bench tpm-stub:chip --secret env:PIN --json

STORE is a key store's URI (soft:, pkcs11:, tpm:, tpm-stub:, fault+...: or a plug-in's scheme), or
the URI of one of its keys. A secret is given by reference: env:NAME, file:PATH or prompt:.
Keys that no trustpoint uses are found by `sceplab-agent audit -c FILE` (`sceplab hsm audit`).

exit codes:
    0  done
    1  another failure, or the deletion was not confirmed
    2  wrong command line, also when nobody is there to confirm a deletion
    6  the key store refused or is not available; the text says why and what to do
  129  ended by SIGHUP, 130 by Ctrl-C, 143 by SIGTERM; keys made for a trial are deleted first
"""

_PROBE_EPILOG = """\
Without --try nothing is made: the store says what it can do. With --try a key is made, signs,
decrypts, is found again and is deleted, for each type the store lists.
"""

_BENCH_EPILOG = """\
A key is made for the measurement and deleted afterwards. The ratio compares with the same
operation on a key in this process's memory, measured in turns: 0.4 means two and a half times as
slow.
"""


def build_parser(prog: str = "sceplab-hsm") -> argparse.ArgumentParser:
    """The command line's grammar.

    Args:
        prog: how the program is called.
    """
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Looks after the keys of a key store; no private key is ever shown.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_Version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_store_command(commands, "list", "list the keys")
    show = _add_store_command(commands, "show", "show one key and its public half")
    _add_key(show)
    generate = _add_store_command(commands, "generate", "make a key inside the store")
    _add_key(generate)
    _add_type(generate)
    generate.add_argument("--create", action="store_true", help="make the store when there is none")
    delete = _add_store_command(commands, "delete", "destroy a key")
    _add_key(delete)
    delete.add_argument("--yes", action="store_true", help="do not ask")
    probe = _add_store_command(commands, "probe", "tell what the store can do", _PROBE_EPILOG)
    probe.add_argument("--try", action="store_true", dest="is_trying", help="prove it with keys")
    bench = _add_store_command(commands, "bench", "measure signatures and unwraps", _BENCH_EPILOG)
    _add_type(bench)
    bench.add_argument(
        "--seconds", type=_positive, default=2.0, help="for each operation; default: 2"
    )
    softhsm = _add(commands, "softhsm-init", "make a SoftHSM token for a lab, in a private folder")
    softhsm.add_argument("directory", type=Path, metavar="DIR", help="made, or used again")
    softhsm.add_argument("--label", default="lab", help="of the token; default: lab")
    swtpm = _add(commands, "swtpm-init", "start a software TPM 2.0 for a lab, in a private folder")
    swtpm.add_argument("directory", type=Path, metavar="DIR", help="made, or used again")
    swtpm.add_argument("--stop", action="store_true", help="end the one that runs there")
    swtpm.add_argument(
        "--da", action="store_true", help="wrong PINs count and lock; for a new store"
    )
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "sceplab-hsm") -> int:
    """Runs one command.

    Args:
        argv: arguments without the program's name; ``None``: those of the process.
        prog: how the program is called, for its texts.

    Returns:
        The exit code; a wrong command line exits with 2 by itself.
    """
    arguments = build_parser(prog).parse_args(argv)
    from sceplab_hsm import cli_commands, cli_lab
    from sceplab_hsm.cli_output import CommandError, Output
    from sceplab_hsm.cli_signals import EndedError, orderly_end

    output = Output(as_json=arguments.json, prog=prog)
    room = cli_lab if arguments.command.endswith("-init") else cli_commands
    run = getattr(room, arguments.command.replace("-", "_") + "_command")
    try:
        with orderly_end():
            run(arguments, output)
    except EndedError as error:
        return output.fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return output.fail("interrupted", EXIT_INTERRUPTED)
    except CommandError as error:
        return output.fail(str(error), error.exit_code)
    except KeyStoreError as error:
        return output.fail(str(error), EXIT_KEY_STORE)
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain when it flushes.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    return EXIT_OK


class _Version(str):
    """The installed version, looked up only when it is printed."""

    __slots__ = ()

    def __mod__(self, _values: object) -> str:
        from importlib.metadata import version

        return version("sceplab")


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    epilog: str = "",
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=f"{summary}.", epilog=epilog)
    command.add_argument("--json", action="store_true", help="answer in JSON on standard output")
    return command


def _add_store_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    epilog: str = "",
) -> argparse.ArgumentParser:
    command = _add(commands, name, summary, epilog)
    command.add_argument("store", metavar="STORE", help="URI of the key store, or of a key in it")
    command.add_argument(
        "--secret",
        default="prompt:",
        metavar="REF",
        help="passphrase or PIN: env:NAME, file:PATH or prompt: (default)",
    )
    return command


def _add_key(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "key", nargs="?", default="", metavar="KEY", help="name; not needed when STORE names it"
    )


def _add_type(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--type",
        choices=[algorithm.value for algorithm in KeyAlgorithm],
        default=KeyAlgorithm.RSA_2048.value,
        help="type and size of the key; default: %(default)s",
    )


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 3600:  # noqa: PLR2004 - an hour is more than anybody means
        raise argparse.ArgumentTypeError("between 0 and 3600")
    return number

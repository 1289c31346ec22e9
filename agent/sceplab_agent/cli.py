"""The command line of `sceplab-agent`. Parses; what the commands need is imported late."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sceplab_agent.errors import AgentError
from sceplab_agent.exit_codes import ExitCode, describe_exit_codes

_EPILOG = f"""\
examples:
  sceplab-agent check -c agent.toml          is everything right? changes nothing
  sceplab-agent enroll -c agent.toml lab     get a certificate for trustpoint 'lab'
  sceplab-agent status -c agent.toml --json  what the journal knows, for a program
  sceplab-agent run -c agent.toml            enroll, poll and renew until stopped
  sceplab-agent audit -c agent.toml          keys that belong to no trustpoint, and keys that lack

exit codes:
{describe_exit_codes()}
"""

_ENROLL_EPILOG = """\
Without --no-wait the command stays until the CA has decided. Interrupt it at any time: the next
call goes on with the same transaction. A trustpoint that has a valid certificate is left alone,
unless replacing it has failed: then it is renewed.
"""

_RUN_EPILOG = """\
SIGHUP reads the configuration again: each trustpoint takes its new settings between two exchanges
with the server, and a file with a mistake changes nothing. While it runs, status, enroll, renew,
events and approve-fingerprint of the same configuration ask it by a socket in the state directory.
"""

_EVENTS_EPILOG = """\
With --json one object a line. docs/events.md lists all events.
"""

_CANCEL_EPILOG = """\
Nothing is sent. The certificate in use stays, with its key. Run it also before a trustpoint is
taken out of the file while its enrollment is not finished.
"""

_AUDIT_EPILOG = """\
Looks into the key stores of the file's trustpoints and holds their keys against the journal. Exit
code 0: each key has its trustpoint and each trustpoint its key; 1: not so. Another configuration
or program may keep keys in the same store: those look like orphans and are not. Therefore nothing
is deleted unless asked for, and then only what bears the name of a key of this file's trustpoints
and is older than every transaction under way.
"""

_ASIDE_EPILOG = """\
For when another command says that the journal, or what it knows of a trustpoint, is damaged. It
is moved beside its place with every byte, and the trustpoint begins anew; certificate files and
keys stay. Afterwards audit shows which keys and files nobody names any more. Where nothing is
damaged nothing is done. End a running agent first.
"""

_HANDOFF_EPILOG = """\
The strongest proof there is: the consumer authenticates, else a TLS handshake in memory with the
files it reads, else certificate, chain and purpose are looked at. Each lesser proof says that it is
one. No consumer gets another certificate; strongSwan is told a connection once more where it has
several certificates of one subject. Exit code 0: all is proved; 1: something is not, or there is no
certificate yet; 2: the configuration.
"""

_AGAIN_EPILOG = f"""\
For daemons that keep keys in memory and were restarted, as strongSwan's; in its unit:
ExecStartPost=-/usr/bin/sceplab-agent handoff again -c FILE. A running agent is asked by its socket.
Each consumer has to prove itself as at a first hand-off; one that fails stops no other and is left
with the certificate. Nothing is sent to the CA. Exit code 0: every consumer works;
{ExitCode.HANDOFF:d}: one does not, or there is no certificate yet; 2: the configuration.
"""


def build_parser(prog: str = "sceplab-agent") -> argparse.ArgumentParser:
    """The command line's grammar.

    Args:
        prog: how the program is called.
    """
    parser = argparse.ArgumentParser(
        prog=prog,
        description="SCEP enrollment agent: certificates for the trustpoints of one TOML file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="print the version and end")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add(commands, "check", "check the configuration, the key stores and the journal")
    enroll = _add(commands, "enroll", "get certificates", epilog=_ENROLL_EPILOG)
    _add_no_wait(enroll)
    enroll.add_argument(
        "--again", action="store_true", help="also where there is a valid certificate"
    )
    run = _add(
        commands, "run", "enroll, poll and renew until SIGTERM or SIGINT", epilog=_RUN_EPILOG
    )
    run.add_argument(
        "--metrics",
        type=_metrics_address,
        metavar="HOST:PORT",
        help="numbers for Prometheus also on this loopback address, under /metrics",
    )
    _add(commands, "status", "show how trustpoints stand; no network, no key store")
    _add_events(commands)
    approve = _add(commands, "approve-fingerprint", "accept the CA asked about", names=False)
    approve.add_argument("trustpoint", metavar="TRUSTPOINT", help="whose CA is in question")
    approve.add_argument("fingerprint", metavar="SHA256", help="what the CA's operator says")
    renew = _add(commands, "renew", "renew certificates now")
    _add_no_wait(renew)
    _add(commands, "cancel", "give enrollments up; delete their new keys", epilog=_CANCEL_EPILOG)
    audit = _add(commands, "audit", "find keys without a trustpoint", epilog=_AUDIT_EPILOG)
    audit.add_argument(
        "--delete-orphans",
        action="store_true",
        help="delete orphans that bear our trustpoints' names",
    )
    audit.add_argument("--yes", action="store_true", help="do not ask before deleting")
    aside = _add(commands, "set-aside", "take damage out of the way", epilog=_ASIDE_EPILOG)
    aside.add_argument(
        "--accept-older",
        action="store_true",
        help="go on with a journal that is older than it was",
    )
    _add_handoff(commands)
    for command in (enroll, run, renew):
        command.add_argument(
            "--trace", action="store_true", help="explain every message on standard error"
        )
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "sceplab-agent") -> int:
    """Runs one command.

    Args:
        argv: arguments without the program's name; ``None``: those of the process.
        prog: how the program is called, for its texts.

    Returns:
        The exit code; a wrong command line exits with 2 by itself.
    """
    arguments = build_parser(prog).parse_args(argv)
    # From here on the heavier modules are needed.
    from sceplab_agent import cli_audit, cli_commands, cli_control, cli_handoff, cli_set_aside
    from sceplab_agent.cli_output import Output
    from sceplab_agent.core.errors import CoreError
    from sceplab_hsm.errors import KeyStoreError

    output = Output(as_json=arguments.json, is_quiet=arguments.quiet)
    modules = {
        "audit": cli_audit,
        "set-aside": cli_set_aside,
        "handoff": cli_handoff,
        "events": cli_control,
        "approve-fingerprint": cli_control,
    }
    module = modules.get(arguments.command, cli_commands)
    run = getattr(module, arguments.command.replace("-", "_"))
    try:
        return int(run(arguments, output))
    except KeyboardInterrupt:
        return output.fail("interrupted; the next call goes on", ExitCode.INTERRUPTED)
    except AgentError as error:
        return output.fail(str(error), error.exit_code)
    except KeyStoreError as error:
        return output.fail(str(error), ExitCode.KEY_STORE)
    except CoreError as error:
        return output.fail(str(error), ExitCode.FAILED)
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain when it flushes.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED


def audit_main(argv: Sequence[str] | None = None, *, prog: str = "sceplab hsm") -> int:
    """Runs ``audit`` for a program that offers it among its own commands.

    Args:
        argv: arguments behind ``audit``; ``None``: those of the process, its first one left out.
        prog: how that program is called, without ``audit``.

    Returns:
        The exit code, as `main`.
    """
    return main(["audit", *(sys.argv[2:] if argv is None else argv)], prog=prog)


class _Version(argparse.Action):
    """Prints the version; the look-up takes time, so it is done only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Prints and ends the process."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("sceplab")
        except PackageNotFoundError:
            number = "of unknown version: run from its source"
        print(f"{parser.prog} {number}")
        parser.exit()


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    *,
    epilog: str | None = None,
    names: bool = True,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=f"{summary}.", epilog=epilog)
    command.add_argument(
        "-c",
        "--config",
        type=Path,
        required=True,
        metavar="FILE",
        help="configuration: a TOML file, or a directory of *.toml files",
    )
    command.add_argument("--json", action="store_true", help="answer in JSON on standard output")
    command.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error")
    if names:
        command.add_argument(
            "trustpoints", nargs="*", metavar="TRUSTPOINT", help="names; none: all of the file"
        )
    return command


def _add_events(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    events = _add(commands, "events", "show what the journal tells", epilog=_EVENTS_EPILOG)
    events.add_argument("-f", "--follow", action="store_true", help="go on with what is added")
    events.add_argument(
        "--trustpoint",
        action="append",
        default=[],
        metavar="NAME",
        help="of this one only; may be repeated",
    )


def _metrics_address(text: str) -> tuple[str, int]:
    from sceplab_agent.daemon.metrics_address import parse_metrics_address

    try:
        return parse_metrics_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _add_handoff(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    handoff = commands.add_parser("handoff", help="look after the consumers of certificates")
    actions = handoff.add_subparsers(dest="action", required=True, metavar="ACTION")
    summary = "prove that consumers work with the certificates they were handed over"
    _add(actions, "verify", summary, epilog=_HANDOFF_EPILOG)
    summary = "hand the certificates in use to their consumers once more"
    _add(actions, "again", summary, epilog=_AGAIN_EPILOG)


def _add_no_wait(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-wait",
        action="store_true",
        help=f"return as soon as it has to wait (exit code {ExitCode.PENDING:d} while the CA waits "
        "for an approval); call it again, or let `run` go on",
    )

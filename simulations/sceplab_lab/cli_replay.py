"""`sceplab device replay`: what a real box said, against a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  sceplab device replay session.txt --profile cisco-ios --option train=recent
  sceplab device replay capture.log --profile cisco-ios --plain --json"""
"""What `--help` ends with."""


def replay(
    transcript: Annotated[
        Path, typer.Argument(help="What was typed on a real device, and what came back.")
    ],
    *,
    profile: Annotated[str, typer.Option(help="Platform. Default: the transcript's header.")] = "",
    option: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE, a setting of the profile. Repeatable.")
    ] = None,
    hostname: Annotated[str, typer.Option(help="Name of the device. Default: the header's.")] = "",
    value: Annotated[
        list[str] | None,
        typer.Option(help="NAME=TEXT that {{NAME}} stands for. Repeatable."),
    ] = None,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain", help="A terminal log without markers; typed lines are found by the prompts."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    r"""Play a captured session against a profile and show the bytes that differ.

    It runs on a device with its real engine and a server of its own, in memory; every enrollment
    URL leads there, and any challenge password will do. {{*}} in a line stands for what changes
    from box to box, {{url}}, {{pin}}, {{sha1}} and {{md5}} for that server and its CA; "@ approve",
    "@ reject" and "@ wait-minutes N" make things happen. docs/profiles.md has the notation.

    Exit code 0: all the same. 1: something differs. 2: it cannot be read or played.
    """
    from sceplab_lab.replay import ReplayOptions, run_replay

    raise typer.Exit(
        run_replay(
            ReplayOptions(
                path=transcript,
                profile=profile,
                options=tuple(option or ()),
                hostname=hostname,
                values=tuple(value or ()),
                is_plain=plain,
                as_json=as_json,
            )
        )
    )

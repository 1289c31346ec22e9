"""`sceplab` and `python -m sceplab_lab`.

``sceplab agent …`` and ``sceplab hsm …`` are the command lines of the agent and of the key stores:
their arguments go to those parsers before anything of the lab is imported.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["agent"]:
        from sceplab_agent.cli import main as agent_main

        sys.exit(agent_main(arguments[1:]))
    if arguments[:1] == ["hsm"]:
        sys.exit(run_hsm(arguments[1:]))
    from sceplab_lab.cli import app

    app(prog_name="sceplab")


def run_hsm(arguments: list[str]) -> int:
    """`sceplab hsm`: the key stores' own command line, and the agent's scan for orphaned keys."""
    if arguments[:1] == ["audit"]:
        from sceplab_agent.cli import main as agent_main

        return agent_main(arguments, prog="sceplab hsm")
    from sceplab_hsm.cli import main as hsm_main

    return hsm_main(arguments, prog="sceplab hsm")


if __name__ == "__main__":
    main()

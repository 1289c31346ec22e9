"""`sceplab` and `python -m sceplab_lab`.

``sceplab agent …`` is the agent's own command line: its arguments go to the agent's parser before
anything of the lab is imported.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["agent"]:
        from sceplab_agent.cli import main as agent_main

        sys.exit(agent_main(arguments[1:]))
    from sceplab_lab.cli import app

    app(prog_name="sceplab")


if __name__ == "__main__":
    main()

"""``python -m sceplab_agent``."""

import sys

from sceplab_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m sceplab_hsm`: the same as `sceplab-hsm`."""

import sys

from sceplab_hsm.cli import main

if __name__ == "__main__":
    sys.exit(main())

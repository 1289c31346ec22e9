"""Room for many connections: the soft limit is raised, a too low hard limit is told."""

import subprocess
import sys

import sceplab_devices

SCRIPT = """
import resource, sys
sys.path.insert(0, {path!r})
from sceplab_devices.lines.limits import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))
print(raise_file_limit(100), resource.getrlimit(resource.RLIMIT_NOFILE))
print(raise_file_limit(300), resource.getrlimit(resource.RLIMIT_NOFILE))
print(raise_file_limit(5000), resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_is_raised_as_far_as_it_helps() -> None:
    """In a process of its own, because a limit cannot be taken back."""
    path = str(next(iter(sceplab_devices.__path__))).removesuffix("sceplab_devices")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(path=path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        " (256, 512)",
        " (364, 512)",
        "5000 consoles need 5064 open files, but this process may have 512; raise the hard limit "
        "(ulimit -Hn, or LimitNOFILE= of the service) (512, 512)",
    ]

"""Room for many connections: each one takes a file descriptor of the process."""

from __future__ import annotations

import resource

SPARE_DESCRIPTORS = 64
"""For everything that is no console: listening sockets, files, logs."""


def raise_file_limit(consoles: int) -> str:
    """Raises the soft limit of open files as far as it helps.

    Returns:
        Empty when ``consoles`` connections fit; else a sentence that says what is missing.
    """
    needed = consoles + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < needed:
        soft = needed if hard == unlimited else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == unlimited or soft >= needed:
        return ""
    return (
        f"{consoles} consoles need {needed} open files, but this process may have {soft}; "
        f"raise the hard limit (ulimit -Hn, or LimitNOFILE= of the service)"
    )

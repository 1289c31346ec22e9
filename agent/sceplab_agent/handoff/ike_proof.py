"""The proof that an IKE connection works: the peer accepts us anew and a CHILD_SA is up.

An IKE_SA alone proves nothing: it is established also where no traffic will pass. And an IKE_SA
that is up keeps the connection it was made from: neither rekeying nor reauthenticating it presents
another certificate. So a second one is made beside it; the daemon uses an IKE_SA that is up only
where it came from the very same connection, certificate included.

Spec: keystores-and-handoff 6.1, 6.3.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from sceplab_agent.handoff.ike_daemon import IkeDaemon, IkeDaemonError, IkeSa

_GLANCE_S = 0.05


def make_anew(daemon: IkeDaemon, *, connection: str, child: str, timeout_s: float) -> IkeSa:
    """Connects with what is loaded now; SAs that are up stay up until `retire`.

    An IKE_SA that was made with just this certificate before is taken as it is.

    Args:
        daemon: to be asked.
        connection: its name.
        child: CHILD_SA that has to come up.
        timeout_s: how long the peer has.

    Raises:
        IkeDaemonError: nothing came of it; with the daemon's words.
    """
    known = _children(daemon.security_associations(connection), child)
    known.discard(daemon.initiate(child, connection, timeout_s))
    for sa in daemon.security_associations(connection):
        if _children([sa], child) - known:
            return sa
    raise IkeDaemonError(f"CHILD_SA '{child}' went away as soon as it was up")


def wait_for_peer(
    daemon: IkeDaemon,
    *,
    connection: str,
    child: str,
    before: Collection[str],
    timeout_s: float,
    monotonic: Callable[[], float],
) -> IkeSa:
    """Waits until the peer has connected anew.

    Args:
        daemon: to be asked.
        connection: its name.
        child: CHILD_SA that has to come up.
        before: SPIs of the IKE_SAs that do not count.
        timeout_s: how long the peer has.
        monotonic: seconds that never jump.

    Raises:
        IkeDaemonError: it has not.
    """
    end, pause = monotonic() + timeout_s, threading.Event()
    while True:
        for sa in daemon.security_associations(connection):
            if sa.spis not in before and sa.has(child):
                return sa
        if monotonic() > end:
            raise IkeDaemonError(f"the peer did not connect within {timeout_s:g} s")
        pause.wait(_GLANCE_S)


def retire(daemon: IkeDaemon, connection: str, child: str, spis: Collection[str]) -> bool:
    """Deletes IKE_SAs, provided that another one has the CHILD_SA; says whether it has."""
    up = daemon.security_associations(connection)
    stays = any(sa.has(child) and sa.spis not in spis for sa in up)
    if stays:
        for sa in up:
            if sa.spis in spis:
                daemon.terminate(ike_id=sa.unique_id)
    return stays


def _children(up: Collection[IkeSa], name: str) -> set[str]:
    return {child.unique_id for sa in up for child in sa.children if child.name == name}

"""What a hosted device is started with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sceplab_agent.core.states import State
from sceplab_devices.profile import DeviceProfile
from sceplab_lab.device_port import ignore_move
from sceplab_scep.algorithms import Floor


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """What a device is started with."""

    profile: DeviceProfile
    hostname: str = ""
    """Empty: the profile's own."""
    consoles: Sequence[str] = ()
    """Endpoints, for example ``telnet:127.0.0.1:0``."""
    state_dir: Path
    """Journals, certificates and saved configuration of this device; its keys too unless ``keys``
    says otherwise."""
    line_keys_dir: Path | None = None
    """Folder of SSH host keys, which devices may share; ``None``: the state folder."""
    keys: str = ""
    """URI of the key store; empty: a software store in the state folder."""
    keys_secret: str = ""
    """Reference to the store's passphrase or PIN, for example ``file:/path``; empty: it is asked
    for."""
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Login name to password, in clear; empty: no login."""
    enable_password: str = field(default="", repr=False)
    """Asked by ``enable``; empty: it asks nothing."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the profile's own, see `sceplab_lab.device_options`."""
    server: str = ""
    """Enrollment URL for a device without saved configuration; empty: none is configured."""
    is_server_known: bool = True
    """False: a device without saved configuration is told of the server when somebody opens a
    session. A trustpoint has a journal, and most devices of a large rack never need theirs."""
    floor: Floor = Floor.NDES
    """Weakest algorithms it accepts."""
    seed: int | None = None
    """Makes nonces and transactionIDs repeat; keys never do."""
    moved: Callable[[str, State, State], None] = field(default=ignore_move)
    """Told of every change of state, in a worker thread."""

"""From a rack file to what each device is started with. All is looked at, nothing is made."""

from __future__ import annotations

from pathlib import Path

from sceplab_agent.url import UrlError, split_url
from sceplab_devices.errors import DeviceError
from sceplab_devices.lines import make_line
from sceplab_devices.profile import DeviceProfile, open_profile
from sceplab_hsm.errors import KeyStoreError
from sceplab_hsm.registry import known_schemes
from sceplab_hsm.uri import scheme_of
from sceplab_lab.device_options import check_options
from sceplab_lab.device_plan import DevicePlan
from sceplab_lab.login_secrets import SecretBook
from sceplab_lab.rack import Rack, RackDevice
from sceplab_lab.rack_errors import RackError
from sceplab_scep.algorithms import Floor

SERVER_FOLDER = "server"
"""In the rack's state folder, when it starts its own server; else a device may be called so."""
LINE_KEYS_FOLDER = "line-keys"
"""In the rack's state folder: SSH host keys, shared by all devices."""


class RackPlanner:
    """Makes plans; what devices have in common is loaded, or asked for, once.

    Args:
        rack: of the file.
        state: its state folder.
    """

    def __init__(self, rack: Rack, state: Path) -> None:
        self._rack = rack
        self._state = state
        self._profiles: dict[str, DeviceProfile] = {}
        self._secrets = SecretBook()
        self._told: set[tuple[str, str]] = set()
        """Profiles and servers of the plans so far."""

    def check(self) -> None:
        """Looks at everything that can be known before anything is started.

        Raises:
            RackError: the first device that is wrong, with its line.
        """
        rack = self._rack
        if isinstance(rack.server, str) and rack.server:
            try:
                split_url(rack.server)
            except UrlError as error:
                raise RackError(f"server: {error}", source=str(rack.source)) from error
        for device in rack.devices:
            try:
                self._check(device)
            except (DeviceError, KeyStoreError) as error:
                raise rack.wrong(device, error) from error

    def plan(self, device: RackDevice, own_server: str) -> DevicePlan:
        """What a device that passed `check` is started with.

        Args:
            device: of the rack.
            own_server: URL of the server that the rack started; empty: it started none.
        """
        server = device.server
        if server is None:
            server = self._rack.server if isinstance(self._rack.server, str) else own_server
        users, password = self._secrets_of(device)
        # The first of each kind shows at once whether the platform takes the URL.
        is_first = (device.profile, server) not in self._told
        self._told.add((device.profile, server))
        return DevicePlan(
            profile=self._profile(device.profile),
            hostname=device.hostname,
            consoles=tuple(map(str, device.endpoints)),
            state_dir=self._state / device.name,
            line_keys_dir=self._state / LINE_KEYS_FOLDER,
            keys=device.keys,
            keys_secret=device.keys_secret,
            users=users,
            enable_password=password,
            options=device.options,
            server=server,
            is_server_known=is_first,
            floor=Floor(device.floor),
        )

    def _check(self, device: RackDevice) -> None:
        if not device.profile:
            raise DeviceError("has no profile; 'sceplab device profiles' lists them")
        if not device.endpoints:
            raise DeviceError("has no lines, so nobody could reach it; telnet:127.0.0.1:0 is one")
        if device.name in {SERVER_FOLDER, LINE_KEYS_FOLDER}:
            raise DeviceError("this name is a folder of the rack's own")
        profile = self._profile(device.profile)
        profile.check_hostname(device.hostname)
        check_options(profile, device.options)
        for endpoint in device.endpoints:
            make_line(endpoint, keys_dir=self._state / LINE_KEYS_FOLDER)
        if device.keys and scheme_of(device.keys).removeprefix("fault+") not in known_schemes():
            known = ", ".join(known_schemes())
            raise DeviceError(
                f"keys: no key store has the scheme of {device.keys!r}; known: {known}"
            )
        if device.keys_secret and not device.keys:
            raise DeviceError("keys_secret belongs to keys; the device's own store has a secret")
        if device.server:
            try:
                split_url(device.server)
            except UrlError as error:
                raise DeviceError(f"server: {error}") from error
        self._secrets_of(device)

    def _secrets_of(self, device: RackDevice) -> tuple[dict[str, str], str]:
        """Passwords of its users, and the one that ``enable`` asks for."""
        users = {
            name: self._secrets.reveal(reference, owner=f"password of {name}")
            for name, reference in device.users.items()
        }
        enable = device.enable_secret
        return users, self._secrets.reveal(enable, owner="enable secret") if enable else ""

    def _profile(self, name: str) -> DeviceProfile:
        if name not in self._profiles:
            self._profiles[name] = open_profile(name)
        return self._profiles[name]

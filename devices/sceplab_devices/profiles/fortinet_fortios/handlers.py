"""Names under which the profile's data knows its functions."""

from __future__ import annotations

from sceplab_devices.context import Handler
from sceplab_devices.modes import LeaveHandler
from sceplab_devices.profiles.fortinet_fortios.editing import discard
from sceplab_devices.profiles.fortinet_fortios.language import RUN
from sceplab_devices.profiles.fortinet_fortios.login import login
from sceplab_devices.profiles.fortinet_fortios.verbs import run_line

HANDLERS: dict[str, Handler] = {RUN: run_line, "fortigate_login": login}
LEAVE_HANDLERS: dict[str, LeaveHandler] = {"discard": discard}

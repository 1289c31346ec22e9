"""Which function carries out which handler name of the data."""

from __future__ import annotations

from sceplab_devices.context import Handler
from sceplab_devices.modes import LeaveHandler
from sceplab_devices.profiles.cisco import store as kept
from sceplab_devices.profiles.cisco_ios import (
    authenticate,
    certificate_chain,
    enroll,
    interfaces,
    keys,
    shows_certificates,
    shows_keys,
    shows_system,
    shows_timers,
    shows_trustpoints,
    store,
    system,
    terminal_lines,
    trustpoint_commands,
)

_PLAIN: tuple[Handler, ...] = (
    authenticate.authenticate,
    certificate_chain.certificate_paste,
    certificate_chain.enter_certificate_chain,
    certificate_chain.enter_certificate_paste,
    enroll.enroll,
    interfaces.enter_interface,
    interfaces.set_address,
    interfaces.shut_down,
    interfaces.store_in_interface,
    keys.generate_ec_key,
    keys.generate_rsa_key,
    keys.zeroize_key,
    shows_certificates.show_certificates,
    shows_keys.show_keys,
    shows_system.show_clock,
    shows_system.show_hosts,
    shows_system.show_ip_interface_brief,
    shows_system.show_logging,
    shows_system.show_privilege,
    shows_system.show_running_config,
    shows_system.show_startup_config,
    shows_system.show_users,
    shows_system.show_version,
    shows_timers.show_timers,
    shows_trustpoints.show_counters,
    shows_trustpoints.show_trustpoints,
    kept.store,
    kept.store_in_block,
    store.store_block,
    system.clear_logging,
    system.clock_set,
    system.configure,
    system.copy_to_startup,
    system.debug_pki,
    system.erase_startup,
    system.logging_console,
    system.open_console,
    system.open_vty,
    system.set_domain_name,
    system.set_enable_password,
    system.set_hostname,
    system.set_timezone,
    system.set_user,
    system.undebug_all,
    system.unknown_command,
    system.write_memory,
    terminal_lines.enter_line,
    terminal_lines.set_line,
    trustpoint_commands.enter_trustpoint,
    trustpoint_commands.trustpoint_setting,
)

HANDLERS: dict[str, Handler] = {handler.__name__: handler for handler in _PLAIN}
"""A handler is known by its function's name."""

LEAVE_HANDLERS: dict[str, LeaveHandler] = {
    handler.__name__: handler
    for handler in (system.config_left, trustpoint_commands.trustpoint_left)
}

"""Which function carries out which handler name of the data."""

from __future__ import annotations

from sceplab_devices.context import Handler
from sceplab_devices.modes import LeaveHandler
from sceplab_devices.profiles.cisco import naming, store
from sceplab_devices.profiles.cisco_asa import (
    access,
    authenticate,
    carried,
    certificate_chain,
    enroll,
    interfaces,
    keys,
    shows_pki,
    shows_system,
    system,
    trustpoint_commands,
)

_PLAIN: tuple[Handler, ...] = (
    access.enable,
    access.leave_session,
    access.log_off,
    access.login,
    access.open_console,
    access.open_vty,
    access.set_enable_password,
    access.set_user,
    authenticate.authenticate,
    carried.export_certificate,
    carried.export_pkcs12,
    carried.import_certificate,
    carried.import_pkcs12,
    certificate_chain.certificate_paste,
    certificate_chain.enter_certificate_chain,
    certificate_chain.enter_certificate_paste,
    enroll.enroll,
    interfaces.enter_interface,
    interfaces.name_interface,
    interfaces.store_in_interface,
    keys.generate_ec_key,
    keys.generate_rsa_key,
    keys.zeroize_key,
    shows_pki.show_certificates,
    shows_pki.show_keys,
    shows_pki.show_trustpoints,
    shows_system.say_text,
    shows_system.show_clock,
    shows_system.show_current_privilege,
    shows_system.show_hostname,
    shows_system.show_interfaces_brief,
    shows_system.show_logging,
    shows_system.show_pager,
    shows_system.show_running_config,
    shows_system.show_startup_config,
    shows_system.show_terminal,
    shows_system.show_version,
    store.store,
    store.store_in_block,
    system.change_to,
    system.clear_logging,
    system.configure,
    system.copy_to_startup,
    system.enter_block,
    system.erase_startup,
    system.reload_device,
    naming.set_domain_name,
    naming.set_hostname,
    system.set_logging,
    system.set_pager,
    naming.set_timezone,
    system.store_secret,
    system.terminal_pager,
    system.use_for_ssl,
    system.write_memory,
    trustpoint_commands.crl_setting,
    trustpoint_commands.enter_crl,
    trustpoint_commands.enter_trustpoint,
    trustpoint_commands.trustpoint_setting,
)

HANDLERS: dict[str, Handler] = {handler.__name__: handler for handler in _PLAIN}
"""A handler is known by its function's name."""

LEAVE_HANDLERS: dict[str, LeaveHandler] = {
    handler.__name__: handler
    for handler in (system.config_left, trustpoint_commands.trustpoint_left)
}

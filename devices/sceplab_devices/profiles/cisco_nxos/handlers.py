"""Which function carries out which handler name of the data."""

from __future__ import annotations

from sceplab_devices.context import Handler
from sceplab_devices.modes import LeaveHandler
from sceplab_devices.profiles.cisco import naming, store
from sceplab_devices.profiles.cisco_nxos import (
    access,
    authenticate,
    carried,
    enroll,
    interfaces,
    keys,
    shows_pki,
    shows_system,
    system,
    trustpoint_commands,
)

_PLAIN: tuple[Handler, ...] = (
    access.leave_session,
    access.open_line,
    access.set_user,
    access.show_accounts,
    access.show_users,
    authenticate.authenticate,
    carried.export_pkcs12,
    carried.import_certificate,
    carried.import_pkcs12,
    carried.request_crl,
    enroll.enroll,
    interfaces.enter_interface,
    interfaces.show_brief,
    interfaces.show_status,
    interfaces.store_in_interface,
    keys.generate_key,
    keys.zeroize_key,
    shows_pki.show_certificates,
    shows_pki.show_crl,
    shows_pki.show_keys,
    shows_pki.show_trustpoints,
    shows_system.show_clock,
    shows_system.show_features,
    shows_system.show_hostname,
    shows_system.show_inventory,
    shows_system.show_logfile,
    shows_system.show_running_config,
    shows_system.show_startup_config,
    shows_system.show_version,
    store.store,
    store.store_in_block,
    system.clear_logging,
    system.configure,
    system.copy_to_startup,
    system.delete_file,
    system.enter_line,
    system.erase_startup,
    system.list_files,
    system.reload_device,
    system.session_timeout,
    naming.set_domain_name,
    system.set_feature,
    system.set_hostname,
    naming.set_timezone,
    system.show_file,
    system.store_of_feature,
    system.use_trustpoint,
    trustpoint_commands.choose_key,
    trustpoint_commands.delete_ca,
    trustpoint_commands.delete_certificate,
    trustpoint_commands.delete_crl,
    trustpoint_commands.enter_trustpoint,
    trustpoint_commands.trustpoint_setting,
)

HANDLERS: dict[str, Handler] = {handler.__name__: handler for handler in _PLAIN}
"""A handler is known by its function's name."""

LEAVE_HANDLERS: dict[str, LeaveHandler] = {
    handler.__name__: handler
    for handler in (system.config_left, trustpoint_commands.trustpoint_left)
}

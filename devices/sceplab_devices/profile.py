r"""A device profile: modes, commands, prompts and texts in TOML, behaviour in Python functions.

A profile is a folder of ``*.toml`` files (read as one table; split them as you like) and a dict of
handlers. A distribution registers ``create_profile() -> DeviceProfile`` in the entry-point group
``sceplab.devices``; `open_profile` finds it by name. ::

    [profile]
    name = "sample"                     # as users choose it
    title = "Sample OS 1.0"
    hostname = "sample"                 # of a new device
    hostname_pattern = "[a-z]+"         # what a host name must look like; default: no blanks
    hostname_rule = "small letters"     # the same for people

    [shell]
    base_mode = "exec"                  # the mode a session starts in
    privilege = 1                       # of a new session without login
    filters = ["include", "exclude", "begin", "section", "count", "redirect", "tee"]
    filter_chain = false                # "| include a | exclude b" is two filters
    filterable = ["show"]               # first words of commands that read "| include …"
    marks = { "1" = ">", "15" = "#" }   # {mark}: the highest entry not above the privilege
    more = " --More-- "
    more_erase = "\\b\\b\\b        \\b\\b\\b"  # what wipes it from the screen
    line_limit = 1024                   # longer typed lines are cut
    newline = "\\r\\n"                  # what ends a line on the wire
    completion = "reprint"              # or "in_place", "cycle": how Tab shows what it found
    completion_keys = ["\\t"]           # and " " where a blank completes too

    [lines.vty]                         # also [lines.console]
    opening = "login"                   # handler run before the first prompt; "" for none
    closing = "close"                   # after a session: "close" the line or "reopen" it
    length = 24                         # lines of a page, 0 for no paging
    monitor = false                     # log lines are shown from the start
    count = 16                          # sessions at a time
    login_timeout_s = 30                # a login that nobody answers ends; 0: never

    [modes.exec]                        # fields of sceplab_devices.modes.Mode
    prompt = "{hostname}{mark}"
    [modes.config]
    prompt = "{hostname}(config)#"
    negation = true
    do = "exec"
    [modes.ca-trustpoint]
    prompt = "{hostname}(ca-trustpoint)#"
    groups = ["config-sub"]
    fallback = "config"
    negation = true
    do = "exec"

    [[command]]
    modes = ["config"]                  # mode ids or mode groups
    syntax = "crypto {pki | ca} trustpoint <name:word>"
    handler = "enter_trustpoint"
    no = true                           # see below; default: true where the mode has negation
    privilege = 15                      # least privilege, default 0
    hidden = false                      # works when typed in full, is never shown
    options = { stored = true }         # anything; the handler reads ctx.options

    [help]                              # keywords before a word and the word, or the word alone
    "crypto pki" = "Public Key components"
    "<name>" = "CA Server Name"

    [kinds.interface]                   # parameter kinds of the profile's own
    placeholder = "WORD"
    pattern = "[A-Za-z]+[0-9/.]+"

    [errors]                            # {token} {line} {marker}; a text may have several lines
    invalid = "{marker}\\n% Invalid input detected at '^' marker.\\n"
    invalid_first = "…"                 # optional: the first word is the wrong one
    incomplete = "% Incomplete command.\\n"
    ambiguous = "% Ambiguous command:  \\"{line}\\"\\n"
    unrecognized = "% Unrecognized command"          # answer to ? where nothing fits
    internal = "% Command failed\\n"                  # a handler broke; the traceback is logged

    [texts.enroll]                      # any tree of texts for handlers
    start = "% Start certificate enrollment .. "   # ctx.say("enroll.start", name=…)

    [data]                              # anything for the profile's own handlers: profile.data

``no``: true: ``no`` takes the same syntax; false: refused; a string: the syntax that follows
``no``; ``"*"``: the leading keywords, then anything or nothing. ``default`` reads what ``no``
reads.

Built-in handlers (`sceplab_devices.builtin`) can be named in data without any Python. What a
profile leaves out of ``[shell]``, ``[lines]``, ``[errors]``, ``[help]`` and ``[texts.login]`` comes
from ``defaults.toml``. Filters of a platform's own are ``DeviceProfile(filters=…)``, see
`sceplab_devices.filters`. Syntax is described in `sceplab_devices.grammar`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import EntryPoint, entry_points
from importlib.resources.abc import Traversable
from inspect import Parameter, signature
from typing import Any

from sceplab_devices import builtin
from sceplab_devices.api import EnrollmentPort
from sceplab_devices.context import Handler
from sceplab_devices.device import Device
from sceplab_devices.errors import HostnameError, ProfileError
from sceplab_devices.filters import MAKERS, FilterMaker
from sceplab_devices.grammar import Command, Form, Grammar
from sceplab_devices.language import GrammarLanguage, Language
from sceplab_devices.modes import LeaveHandler, Mode
from sceplab_devices.profile_data import Data, ProfileReader, merge, read_defaults, read_folder
from sceplab_devices.shell import LineSettings, ShellSettings
from sceplab_devices.syntax import Keyword, join

logger = logging.getLogger(__name__)

ENTRY_POINT_GROUP = "sceplab.devices"
_ANY_HOSTNAME = r"[!-~]+"
_ANY_HOSTNAME_RULE = "printable ASCII characters without blanks"


class DeviceProfile:
    """One platform: everything about it that all its devices share.

    Attributes:
        name: as users choose it.
        title: for people.
        modes: by id.
        handlers: by the names that data uses, built-in ones included.
        leave_handlers: as ``on_leave`` of modes names them.
        data: the table ``[data]``, free for the profile's handlers.
        language: reads what is typed.
        filters: what may stand behind ``|``.
    """

    def __init__(
        self,
        data: Data,
        *,
        handlers: Mapping[str, Handler] | None = None,
        leave_handlers: Mapping[str, LeaveHandler] | None = None,
        device_class: type[Device] = Device,
        language: Language | None = None,
        filters: Mapping[str, FilterMaker] | None = None,
    ) -> None:
        identity = data.get("profile", {})
        self.name: str = identity.get("name", "")
        if not self.name:
            raise ProfileError("profile", "has no name", place="profile.name")
        whole = read_defaults()
        merge(whole, data, source=self.name, override=True)
        reader = ProfileReader(self.name, whole)
        self.title: str = identity.get("title", self.name)
        self.hostname: str = identity.get("hostname", self.name)
        self._hostname_pattern = reader.pattern(
            "profile.hostname_pattern", identity.get("hostname_pattern", _ANY_HOSTNAME)
        )
        self._hostname_rule: str = identity.get("hostname_rule", _ANY_HOSTNAME_RULE)
        self.handlers: dict[str, Handler] = {**builtin.HANDLERS, **(handlers or {})}
        self.leave_handlers: dict[str, LeaveHandler] = dict(leave_handlers or {})
        self.shell = reader.settings(ShellSettings, "shell", reader.section("shell"))
        self.lines = {
            kind: reader.settings(LineSettings, f"lines.{kind}", values)
            for kind, values in reader.section("lines").items()
        }
        self.modes: dict[str, Mode] = reader.modes()
        self.commands: tuple[Command, ...] = reader.commands(self.modes, self.handlers)
        self.help: Mapping[str, str] = reader.texts("help")
        self.data: Data = reader.section("data")
        self._errors: Mapping[str, str] = reader.texts("errors")
        self._texts: Mapping[str, str] = reader.texts("texts")
        self.filters = reader.filters(self.shell, {**MAKERS, **(filters or {})})
        self._device_class = device_class
        self.language: Language = language or GrammarLanguage()
        self._grammars: dict[tuple[str, int], Grammar] = {}
        self._levels = sorted({command.privilege for command in self.commands})
        reader.check_references(self)

    @classmethod
    def load(cls, folder: Traversable, **settings: Any) -> DeviceProfile:
        """A profile from a folder of data files; ``settings`` as in the constructor.

        Raises:
            ProfileError: the data is wrong; file or place and reason are named.
        """
        return cls(read_folder(folder), **settings)

    def new_device(
        self,
        *,
        port: EnrollmentPort,
        clock: Callable[[], datetime],
        hostname: str = "",
        **settings: Any,
    ) -> Device:
        """A device of this platform; ``settings`` go to its class as they are.

        Raises:
            HostnameError: the platform has no such host names.
        """
        self.check_hostname(hostname or self.hostname)
        return self._device_class(
            self, hostname=hostname or self.hostname, port=port, clock=clock, **settings
        )

    def device_settings(self) -> dict[str, Any]:
        """What `new_device` takes beyond what every device has, with the defaults."""
        common = signature(Device).parameters
        found: dict[str, Any] = {}
        for kind in self._device_class.__mro__:
            if "__init__" not in vars(kind):
                continue
            parameters = signature(vars(kind)["__init__"]).parameters.values()
            for parameter in parameters:
                if parameter.kind is Parameter.KEYWORD_ONLY and parameter.name not in common:
                    found.setdefault(parameter.name, parameter.default)
            if not any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters):
                break
        return found

    def check_hostname(self, hostname: str) -> None:
        """Refuses a host name that a device of this platform cannot have.

        Raises:
            HostnameError: it is not of the platform's form.
        """
        if not self.is_hostname(hostname):
            raise HostnameError(hostname, self.title, self._hostname_rule)

    def is_hostname(self, text: str) -> bool:
        """Whether a device of this platform may be called so."""
        return self._hostname_pattern.fullmatch(text) is not None

    def grammar(self, mode_id: str, privilege: int) -> Grammar:
        """The commands of a mode that a privilege may use. Compiled once."""
        level = max((level for level in self._levels if level <= privilege), default=0)
        grammar = self._grammars.get((mode_id, level))
        if grammar is None:
            forms = self._forms(self.modes[mode_id], level)
            grammar = Grammar(forms, self.shell.filterable)
            self._grammars[mode_id, level] = grammar
        return grammar

    def text(self, key: str, **values: object) -> str:
        """A text of ``[texts]`` by its dotted key, placeholders filled in.

        Raises:
            ProfileError: there is no such text.
        """
        try:
            return self._texts[key].format_map(values)
        except KeyError as error:
            raise ProfileError(self.name, f"lacks {error}", place=f"texts.{key}") from error

    def error(self, kind: str, **values: str) -> str:
        """An error text; ``invalid_first`` falls back to ``invalid``."""
        template = self._errors.get(kind) or self._errors[kind.removesuffix("_first")]
        return template.format_map(values)

    def _forms(self, mode: Mode, level: int) -> list[Form]:
        forms = []
        for command in self._commands_of(mode, level):
            forms.append(Form(command, command.expression))
            if mode.negation and command.no is not None:
                forms += [
                    Form(command, join(Keyword(word), command.no), (word,))
                    for word in ("no", "default")
                ]
        if mode.do:
            forms += [
                Form(command, join(Keyword("do"), command.expression), ("do",))
                for command in self._commands_of(self.modes[mode.do], level)
            ]
        return forms

    def _commands_of(self, mode: Mode, level: int) -> list[Command]:
        names = {mode.id, *mode.groups}
        return [
            command
            for command in self.commands
            if command.privilege <= level and not names.isdisjoint(command.modes)
        ]


_BUILT_IN = {
    "paloalto-panos": "sceplab_devices.profiles.paloalto_panos:create_profile",
    "juniper-junos": "sceplab_devices.profiles.juniper_junos:create_profile",
    "cisco-asa": "sceplab_devices.profiles.cisco_asa:create_profile",
    "cisco-ios": "sceplab_devices.profiles.cisco_ios:create_profile",
    "cisco-ios-xe": "sceplab_devices.profiles.cisco_ios:create_xe_profile",
    "cisco-ios-xe-26": "sceplab_devices.profiles.cisco_ios:create_strict_xe_profile",
    "cisco-nxos": "sceplab_devices.profiles.cisco_nxos:create_profile",
    "fortinet-fortios": "sceplab_devices.profiles.fortinet_fortios:create_profile",
}
"""Found without an installed distribution too; the entry points of the same names win."""


def _entry_points() -> dict[str, EntryPoint]:
    found = {name: EntryPoint(name, value, ENTRY_POINT_GROUP) for name, value in _BUILT_IN.items()}
    found.update((entry.name, entry) for entry in entry_points(group=ENTRY_POINT_GROUP))
    return found


def known_profiles() -> list[str]:
    """Names that `open_profile` understands."""
    return sorted(_entry_points())


def open_profile(name: str) -> DeviceProfile:
    """The installed profile called ``name``.

    Raises:
        ProfileError: unknown (the known names are listed), or its data or code is broken.
    """
    entry = _entry_points().get(name)
    if entry is None:
        raise ProfileError(name, f"unknown profile; known: {', '.join(known_profiles())}")
    try:
        profile = entry.load()()
    except ProfileError:
        raise
    except Exception as error:
        raise ProfileError(name, f"cannot be loaded: {error!r}") from error
    if not isinstance(profile, DeviceProfile):
        raise ProfileError(name, f"{entry.value} gives no DeviceProfile")
    logger.debug("device profile %s from %s", name, entry.value)
    return profile

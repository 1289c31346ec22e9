"""A device profile: modes, command table, prompts and texts in TOML, behaviour in Python functions.

A profile is a folder of ``*.toml`` files (read as one table; files may be split as their author likes)
and a dict of handlers. A distribution registers ``create_profile() -> DeviceProfile`` in the entry-point
group ``sceplab.devices``; `open_profile` finds it by name. ::

    [profile]
    name = "sample"                     # as users choose it
    title = "Sample OS 1.0"
    hostname = "sample"                 # of a new device

    [shell]
    base_mode = "exec"                  # the mode a session starts in
    privilege = 1                       # of a new session without login
    filters = ["include", "exclude", "begin", "section", "count", "redirect", "append", "tee"]
    filterable = ["show"]               # first words of commands that read "| include …"
    marks = { "1" = ">", "15" = "#" }   # {mark} in prompts: the highest entry not above the privilege
    more = " --More-- "
    more_erase = "\\b\\b\\b        \\b\\b\\b"  # what wipes it from the screen
    line_limit = 1024                   # longer typed lines are cut

    [lines.vty]                         # also [lines.console]
    opening = "login"                   # handler run before the first prompt; "" for none
    closing = "close"                   # at the end of a session: "close" the line or "reopen" (idle screen)

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

    [help]                              # path of words (parameters as <name>), or the last word alone
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

    [texts.enroll]                      # any tree of texts for handlers: ctx.say("enroll.start", name=…)
    start = "% Start certificate enrollment .. "

``no``: true: ``no`` takes the same syntax; false: refused; a string: the syntax that follows ``no``;
``"*"``: the leading keywords, then anything or nothing. ``default`` reads what ``no`` reads.

Built-in handlers (`sceplab_devices.builtin`) that data can name without any Python: ``accept`` (does
nothing), ``exit``, ``end``, ``logout``, ``enable``, ``disable``, ``login``, ``press_return``,
``terminal_length``, ``terminal_width``, ``terminal_monitor``, ``terminal_no_monitor``, ``terminal_history``.

Syntax is described in `sceplab_devices.grammar`.
"""

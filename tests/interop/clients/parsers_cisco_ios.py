"""Parsers of others read what an IOS or IOS XE router printed.

Usage: parsers_cisco_ios.py FILE OS. FILE: JSON, output by command; OS: ``ios`` or ``iosxe``. Prints
JSON: by parser (``genie``, ``muninn``, ``ntc``) and command what it made of the output, or
``{"error": …}``; commands that a parser does not know are left out.
"""

import json
import sys
from pathlib import Path
from unittest.mock import Mock

from genie.libs.parser.utils import get_parser
from muninn import Muninn
from ntc_templates.parse import parse_output

outputs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
system = sys.argv[2]
reader = Muninn()
reader.load_builtin_parsers()


def read_with_genie(command: str, text: str) -> object:
    """What genieparser makes of it."""
    device = Mock(os=system, platform=None, model=None, pid=None, version=None, custom={})
    device.custom = {"abstraction": {"order": ["os"], "os": system}}
    found, arguments = get_parser(command, device)
    return found(device=device).parse(output=text, **arguments)


def read_with_muninn(command: str, text: str) -> object:
    """What muninn makes of it."""
    return reader.parse(system, command, text)


def read_with_ntc(command: str, text: str) -> object:
    """What the TextFSM templates make of it."""
    return parse_output(platform="cisco_ios", command=command, data=text)


READERS = {"genie": read_with_genie, "muninn": read_with_muninn, "ntc": read_with_ntc}
UNKNOWN = ("Could not find parser", "No template found", "No parser", "not found", "not supported")

seen: dict[str, dict[str, object]] = {}
for name, read in READERS.items():
    seen[name] = {}
    for command, text in outputs.items():
        try:
            seen[name][command] = read(command, text)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if not any(word in reason for word in UNKNOWN):
                seen[name][command] = {"error": reason}
print(json.dumps(seen, default=str))

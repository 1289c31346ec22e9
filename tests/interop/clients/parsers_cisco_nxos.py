"""Parsers of others read what an NX-OS switch printed.

Usage: parsers_cisco_nxos.py FILE. FILE: JSON, output by command. Prints JSON: by command what
ntc-templates made of the output.
"""

import json
import sys
from pathlib import Path

from ntc_templates.parse import parse_output

outputs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
print(json.dumps({name: parse_output("cisco_nxos", name, text) for name, text in outputs.items()}))

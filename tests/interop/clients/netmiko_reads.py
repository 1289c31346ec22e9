"""What netmiko makes of an inventory file, and which drivers it has.

Usage: netmiko_reads.py [FILE]. Prints JSON: the devices of the file, the names of the drivers.
"""

import json
import sys

from netmiko.ssh_dispatcher import CLASS_MAPPER
from netmiko.utilities import load_netmiko_yml

devices = load_netmiko_yml(sys.argv[1])[1] if len(sys.argv) > 1 else {}
print(json.dumps({"devices": devices, "drivers": sorted(CLASS_MAPPER)}))

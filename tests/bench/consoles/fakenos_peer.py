"""Starts FakeNOS with its own Cisco IOS device; run with the interpreter of ``.venvs/fakenos``.

Usage: fakenos_peer.py DEVICES FIRST_PORT USER PASSWORD. Prints how long `FakeNOS.start` took, in
seconds, once all ports listen, and ends when its standard input does.
"""

import json
import os
import sys
import time

from fakenos import FakeNOS

devices, first_port = int(sys.argv[1]), int(sys.argv[2])
user, password = sys.argv[3:5]
hosts = {
    f"r{number}": {"platform": "cisco_ios", "port": first_port + number}
    for number in range(devices)
}
network = FakeNOS(inventory={"default": {"username": user, "password": password}, "hosts": hosts})
begin = time.perf_counter()
network.start()
print(json.dumps({"start_s": time.perf_counter() - begin}), flush=True)
sys.stdin.read()
os._exit(0)  # its threads poll for a second each; nothing of them is worth waiting for

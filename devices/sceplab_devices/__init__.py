"""Emulated network devices: consoles, command grammar, vendor profiles, lines. No SCEP in here."""

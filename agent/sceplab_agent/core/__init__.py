"""The enrollment core: states, events, commands, decisions. No I/O, no clock, no key, no chance.

This folder is what a firmware team ports. It imports `sceplab_scep` and data modules of the
standard library, nothing else; import-linter holds it to that.
"""

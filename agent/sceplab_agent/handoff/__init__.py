"""Hand-off: an issued certificate and its key reach the programs that use them, or nothing changes.

::

    api.py       the steps prepare, install, verify, commit, roll back, as a Protocol
    run.py       all consumers of a trustpoint as one unit, with what the journal keeps
    registry.py  the kinds a configuration may name, and the plug-in group ``sceplab.handoffs``
"""

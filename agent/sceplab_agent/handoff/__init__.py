"""Hand-off: an issued certificate and its key reach the programs that use them, or nothing changes.

::

    api.py       the steps prepare, install, verify, commit, roll back, as a Protocol
    run.py       all consumers of a trustpoint as one unit, with what the journal keeps
    registry.py  the kinds a configuration may name, and the plug-in group ``sceplab.handoffs``
    files.py     kind ``files``: PEM and PKCS#12 behind one link (bundle, generations,
                 safe_directory)
    hook.py      kind ``hook``: the same, and a command of the operator (hook_process)
    usage_checks.py  holds a certificate against its purpose before it is handed over (purposes)
    proof.py     the strongest proof of what is in use now (tls_proof)

Kind ``strongswan``::

    strongswan.py      the five steps for a connection of charon, and its table
    ike_connection.py  the connection as written and as the daemon takes it; does a certificate fit
    ike_key.py         its key into the daemon: a file's, or a token's by CKA_ID
    ike_proof.py       a second IKE_SA beside the first, and the end of the first
    ike_daemon.py      the daemon's commands over vici
"""

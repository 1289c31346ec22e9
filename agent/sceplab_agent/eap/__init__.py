"""802.1X with EAP-TLS in plain Python: the port access a certificate opens, without a daemon.

Standard library only. The ends keep no clock and open no socket; links carry their frames.

::

    frames.py         EAPOL, EAP and EAP-TLS fragments as bytes
    tls_method.py     the TLS handshake in fragments, and TLS settings of both sides
    supplicant.py     the device's end
    authenticator.py  the switch port's end
    link.py           a socket pair, or an Ethernet interface; runs an end to its outcome
"""

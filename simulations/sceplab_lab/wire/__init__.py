"""How emulated devices show themselves on the wire: LLDP, CDP and the beginning of 802.1X.

::

    identity.py   who announces itself, from which port
    packets.py    the frames, and capture files; the only module that loads scapy (extra ``wire``)
    sender.py     puts frames on an interface and answers who asks for an EAP identity
"""

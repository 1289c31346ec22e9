"""SCEP message codec: bytes to typed messages and back. No I/O, no clock, no private key."""

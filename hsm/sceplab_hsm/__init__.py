"""Key stores: private keys that are used, never handed out. No SCEP in here."""

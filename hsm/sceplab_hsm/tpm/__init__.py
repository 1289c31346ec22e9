"""TPM 2.0 key stores: one store over one chip interface, with a real chip and a stub behind it."""

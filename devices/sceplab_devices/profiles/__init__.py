"""Vendor profiles: one package each, texts and command tables in data, behaviour in Python."""

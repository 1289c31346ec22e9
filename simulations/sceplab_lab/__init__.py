"""Composition: demo, command line, lab clock, and the glue between devices, agent and server."""

"""Errors of the lab."""

from __future__ import annotations


class LabError(Exception):
    """Root of everything this package raises on purpose."""


class DemoError(LabError):
    """The demo did not see what it waited for."""


class EndpointError(LabError):
    """A service could not start where it was told to."""

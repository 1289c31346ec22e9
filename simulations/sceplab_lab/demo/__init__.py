"""The demo: a router gets a certificate from an NDES and renews it a year later, for real."""

from __future__ import annotations

from sceplab_lab.demo.run import DemoOptions, run_demo

__all__ = ["DemoOptions", "run_demo"]

"""What every test gets: the network guard, the bookkeeping of covered rows, the fuzzing effort."""

import os

from hypothesis import HealthCheck, settings

from tests.support.network_guard import forbid_network

pytest_plugins = ["pytester", "tests.support.covers"]

forbid_network()

# A loaded machine is no fault of the code under test: no time limits for single examples.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("short", _PATIENT, max_examples=100)
settings.register_profile("long", _PATIENT, max_examples=10_000)
settings.load_profile(os.environ.get("SCEPLAB_FUZZ", "short"))

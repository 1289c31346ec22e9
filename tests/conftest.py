"""What every test gets: the network guard and the bookkeeping of covered rows."""

from tests.support.network_guard import forbid_network

pytest_plugins = ["pytester", "tests.support.covers"]

forbid_network()

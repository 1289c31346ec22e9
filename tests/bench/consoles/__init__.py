"""The two ends of the console benchmarks, as programs: a client, and FakeNOS as the peer."""

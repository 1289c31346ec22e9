"""Benchmarks: `make bench` runs every ``bench_*.py`` of this folder.

A benchmark is a function marked with `registry.benchmark` that takes an `Effort` and gives
`Record`s. A new file joins by being there. What is compared is measured interleaved in one process
(`measure`), so that a busy machine slows both sides down alike.
"""

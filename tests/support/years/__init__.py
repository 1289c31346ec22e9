"""Decades of one trustpoint in virtual time: real agent, real server, real CMS, random faults."""

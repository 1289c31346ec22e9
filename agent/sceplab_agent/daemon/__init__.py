"""The agent as a service: many trustpoints in one loop, reload, clock, control socket, metrics."""

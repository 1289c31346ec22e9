"""Drivers carry the machine's commands out: blocking, asyncio, virtual time."""

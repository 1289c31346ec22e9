"""What an idle console costs beyond its device."""

import asyncio
import gc
import tracemalloc

from sceplab_devices.lines import serve
from sceplab_devices.profile import DeviceProfile
from tests.support.consoles import IdlePort, ManualClock

CONSOLES = 200
LIMIT_BYTES = 12 * 1024


class Listener(asyncio.Protocol):
    """A client that keeps nothing."""

    def __init__(self) -> None:
        self.has_prompt = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Presses Return."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"\r")

    def data_received(self, data: bytes) -> None:
        """Waits for the prompt."""
        if data.endswith(b"box>") and not self.has_prompt.done():
            self.has_prompt.set_result(None)


async def test_an_idle_console_is_small(sample_profile: DeviceProfile) -> None:
    """Both ends of the connection together stay below what the console alone may have."""
    loop = asyncio.get_running_loop()
    devices = [
        sample_profile.new_device(port=IdlePort(), clock=ManualClock())  # type: ignore[arg-type]
        for _ in range(CONSOLES)
    ]
    lines = [await serve(device, "tcp:127.0.0.1:0") for device in devices]
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        clients = []
        for line in lines:
            _, client = await loop.create_connection(Listener, "127.0.0.1", line.endpoint.port)
            await client.has_prompt
            clients.append(client)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / CONSOLES < LIMIT_BYTES
    for line in lines:
        await line.close()
    for client in clients:
        client.transport.close()

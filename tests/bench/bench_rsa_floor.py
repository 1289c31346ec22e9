"""How long the RSA floor takes on this machine."""

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.bench.measure import cpu_us
from tests.bench.record import Record
from tests.bench.registry import Effort, benchmark
from tests.bench.rsa_floor import client_floor, server_floor


@benchmark
def rsa_floor(effort: Effort) -> list[Record]:
    """CPU time of the private RSA operations of one enrollment, client and server."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    times = cpu_us({"client": client_floor(key), "server": server_floor(key)}, effort)
    return [Record(name=f"rsa_floor.{side}", value=us, unit="µs") for side, us in times.items()]

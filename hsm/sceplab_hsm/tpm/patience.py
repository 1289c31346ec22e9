"""Calls to a chip that may never answer: each in a thread of its own, with a limit.

The libraries of the TSS wait for a chip without end, and no signal gets through to Python
meanwhile. A call that is given up goes on in its thread; the connection is lost with it and closed
when the call does end.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any

from sceplab_hsm.daemon_threads import start_daemon
from sceplab_hsm.tpm.chip import TpmGoneError

CONNECT_LIMIT_S = 15.0
"""For the connection."""
LIMIT_S = 60.0
"""For a command; other clients of the chip may be served before."""
MAKING_LIMIT_S = 180.0
"""For making a key: a chip may search for large primes for a minute and more."""
GRACE_S = 2.0
"""How long an interruption waits for the call under way, which nothing can stop."""
_MAKING = frozenset({"create", "create_primary"})
_LOCAL = frozenset({"tr_close", "tr_serialize", "tr_set_auth"})
"""Methods that do not talk to the chip."""


class PatientContext:
    """An ``ESAPI`` whose methods give up after a while. Not for several threads.

    Args:
        context: the library's.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self._is_lost = False

    def is_closed(self) -> bool:
        """Whether it is of no use any more."""
        return self._is_lost or bool(self._context.is_closed())

    def close(self) -> None:
        """Drops the connection, unless a call in it is under way."""
        if not self._is_lost:
            self._call("close", self._context.close)

    def __getattr__(self, name: str) -> Any:
        if self._is_lost:
            raise TpmGoneError("the connection was given up")
        method = getattr(self._context, name)
        return method if name in _LOCAL else partial(self._call, name, method)

    def _call(self, name: str, method: Callable[..., Any], *arguments: Any) -> Any:
        limit_s = MAKING_LIMIT_S if name in _MAKING else LIMIT_S
        try:
            return answer_within(limit_s, lambda: method(*arguments), self._give_up)
        except NoAnswerError as error:
            raise TpmGoneError(f"the chip did not answer within {limit_s:g} s") from error

    def _give_up(self, call: Future[Any]) -> None:
        self._is_lost = True
        call.add_done_callback(lambda _: self._context.close())


class NoAnswerError(Exception):
    """The limit has passed."""


def answer_within(
    limit_s: float, function: Callable[[], Any], give_up: Callable[[Future[Any]], None]
) -> Any:
    """What a function gives or raises that may hang.

    Args:
        limit_s: how long to wait.
        function: runs in a thread of its own, which stays behind when it hangs.
        give_up: told of the call that is left behind.

    Raises:
        NoAnswerError: it did not end.
        KeyboardInterrupt: somebody does not want to wait any longer.
    """
    call = start_daemon(function, name="sceplab-tpm")
    try:
        ended = wait([call], timeout=limit_s).done
    except BaseException:
        ended = set()
        try:
            ended = wait([call], timeout=GRACE_S).done
        finally:
            if not ended:
                give_up(call)
        raise
    if not ended:
        give_up(call)
        raise NoAnswerError
    return call.result()

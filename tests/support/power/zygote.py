"""A process that has imported everything and forks one agent after another, to be killed.

Reads orders, one JSON object a line, and answers each with one. It has a single thread and never
loads a PKCS#11 module: that happens in its children.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support.power.agent_run import run_agent
from tests.support.power.borders import count_effects
from tests.support.power.cutter import Cutter
from tests.support.power.invariants import check_rest
from tests.support.power.shared_clock import SharedClock
from tests.support.power.stages import STAGES
from tests.support.power.strays import add_stray


def _record(order: dict[str, Any], clock: SharedClock) -> dict[str, Any]:
    """One start of the agent whose effects are counted; it may die on the way."""
    folder = Path(order["folder"])
    if stray := order.get("stray"):
        add_stray(stray, folder)
    cutter = Cutter(folder, order["cut"])
    count_effects(cutter)
    state = run_agent(folder, order["command"], clock)
    modules = sorted(sys.modules)
    return {
        "state": state,
        "moments": cutter.moments,
        "ghosts": cutter.ghosts,
        "modules": modules,
    }


def _recover(order: dict[str, Any], clock: SharedClock) -> dict[str, Any]:
    """Starts the agent again, undisturbed."""
    return {"state": run_agent(Path(order["folder"]), order["command"], clock)}


def _check(order: dict[str, Any], clock: SharedClock) -> dict[str, Any]:
    """Looks at what is left, with a module of its own."""
    issued = [bytes.fromhex(text) for text in order["issued"]]
    stage = STAGES[order["stage"]]
    return {"problems": check_rest(Path(order["folder"]), clock, stage, issued)}


def _serve(clock: SharedClock) -> None:
    works = {"record": _record, "recover": _recover, "check": _check}
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                told = works[order["work"]](order, clock)
            except BaseException:
                told = {"error": traceback.format_exc()}
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(json.dumps(told).encode())
            os._exit(0)
        os.close(writing)
        with open(reading, "rb") as pipe:
            text = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        answer = {"status": status, **(json.loads(text) if text else {})}
        for name in answer.pop("modules", []):
            if name not in sys.modules and not name.startswith("__"):
                import_module(name)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve(SharedClock(Path(sys.argv[1])))

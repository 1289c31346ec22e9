"""``show crypto pki timers [detail]``."""

from __future__ import annotations

from datetime import datetime, timedelta

from sceplab_devices.profiles.cisco.dates import iso_text, remaining_text
from sceplab_devices.profiles.cisco_ios.expiry_alerts import next_alert, watched_certificates
from sceplab_devices.profiles.cisco_ios.router import Context, Router

CLEANUP_PERIOD = timedelta(minutes=10)
"""How often the box clears away ended PKI sessions. U: published outputs show less than this."""

Timer = tuple[datetime, str]
"""When it runs out, and its name."""


def show_timers(ctx: Context) -> None:
    """``show crypto pki timers [detail]``."""
    router = ctx.device
    groups = {
        "PKI Timers": _enrollment_timers(router),
        "Expiry Alert Timers": _alert_timers(router),
    }
    for title, timers in groups.items():
        if timers:
            ctx.write(title)
            ctx.write("\n".join(_lines(sorted(timers), router.now(), detail=ctx.has("detail"))))


def _enrollment_timers(router: Router) -> list[Timer]:
    timers = []
    if router.train.session_cleanup:
        rounds = (router.now() - router.started_at) // CLEANUP_PERIOD + 1
        timers.append((router.started_at + rounds * CLEANUP_PERIOD, "SESSION CLEANUP"))
    for name in router.config.trustpoints:
        view = router.view(name)
        if view.next_poll_at is not None:
            timers.append((view.next_poll_at, f"POLL {name}"))
        if view.renew_at is not None:
            timers.append((view.renew_at, f"RENEW {name}"))
    return timers


def _alert_timers(router: Router) -> list[Timer]:
    timers = []
    for name, certificate in watched_certificates(router).items():
        alert_at = next_alert(certificate.not_valid_after_utc, router.now())
        if alert_at is not None:
            timers.append((alert_at, f"ID({name})"))
    return timers


def _lines(timers: list[Timer], now: datetime, *, detail: bool) -> list[str]:
    lines = [f"|{_moment(timers[0][0], now, detail=detail)}"]
    separator = " " if detail else "  "
    for at, name in timers:
        lines.append(f"  |{_moment(at, now, detail=detail)}{separator}{name}")
    return lines


def _moment(at: datetime, now: datetime, *, detail: bool) -> str:
    remaining = remaining_text(at - now)
    return f"{remaining}  ({iso_text(at)})" if detail else remaining

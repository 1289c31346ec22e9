"""The journal catalogue: every id that a `Record` or a `Notify` of the core may carry."""

from __future__ import annotations

from dataclasses import dataclass

from sceplab_agent.core.commands import NoticeLevel

_INFO = NoticeLevel.INFO
_WARNING = NoticeLevel.WARNING
_ERROR = NoticeLevel.ERROR


@dataclass(frozen=True, slots=True)
class Entry:
    """Meaning and loudness of one id."""

    meaning: str
    level: NoticeLevel = _INFO


CATALOGUE: dict[str, Entry] = {
    "trustpoint.configured": Entry("URL, subject and key of the trustpoint are set"),
    "ca.pinned": Entry("the CA is trusted; anchor and basis are in the details"),
    "ca.tofu": Entry("the CA was taken on first use, nobody compared its fingerprint", _WARNING),
    "ca.ra-changed": Entry("the RA certificates changed and still chain to the anchor", _WARNING),
    "ca.unmarked-ra": Entry(
        "a certificate that nothing marks as an RA's acts for the CA; the trustpoint allows any",
        _WARNING,
    ),
    "ca.anchor-changed": Entry("the configured pin chose another anchor than before", _WARNING),
    "ca.legacy-pin": Entry("the pin uses a hash that is no longer strong", _WARNING),
    "ca.refused": Entry("the operator refused the CA certificate", _WARNING),
    "ca.distrusted": Entry("the CA is not the one that is pinned, or nothing is pinned", _ERROR),
    "ca.unreachable": Entry("the CA certificates could not be fetched", _WARNING),
    "enrollment.requested": Entry("a certificate is wanted"),
    "enrollment.again": Entry("the certificate has ended, and another one is enrolled for"),
    "enrollment.key": Entry("the key is about to be made or looked up"),
    "enrollment.request": Entry("a PKCSReq or RenewalReq is about to be sent"),
    "enrollment.retransmission": Entry("the unanswered request is about to be sent again"),
    "enrollment.poll": Entry("a CertPoll is about to be sent"),
    "enrollment.pending": Entry("the CA waits for an approval; the next poll is in the details"),
    "enrollment.retry": Entry("a step failed and will be repeated", _WARNING),
    "enrollment.hastened": Entry("the operator wants the step tried now; attempts count anew"),
    "enrollment.issued": Entry("a certificate arrived and is not yet judged"),
    "enrollment.rejected": Entry(
        "the CA refused; failInfo and its text are in the details", _ERROR
    ),
    "enrollment.failed": Entry("no certificate: it cannot be had, or attempts are used up", _ERROR),
    "enrollment.expired": Entry("no decision within the polls or the time allowed", _ERROR),
    "enrollment.cancelled": Entry("the operator gave the enrollment up"),
    "certificate.accepted": Entry("the certificate is fit and about to be installed"),
    "certificate.installed": Entry("the certificate is the active one"),
    "certificate.other-usage": Entry(
        "the CA granted another key usage than was asked for; both are in the details", _WARNING
    ),
    "certificate.expired": Entry("the active certificate ended without a successor", _ERROR),
    "handoff.started": Entry("the certificate is about to be handed to its consumers"),
    "handoff.done": Entry("every consumer works with the certificate; the proof is in the details"),
    "handoff.retry": Entry("the consumers did not take it and will be asked again", _WARNING),
    "handoff.failed": Entry("the consumers did not take it; the one before stays", _ERROR),
    "handoff.dropped": Entry("a certificate that nobody took is given up", _WARNING),
    "renewal.due": Entry("the renewal of the active certificate starts"),
    "renewal.gainless": Entry(
        "the renewed certificate ends no later than the one before; renewals become rarer", _WARNING
    ),
    "rollover.known": Entry("the current CA names its successor; the switch is in the details"),
    "rollover.resting": Entry("the certificate is active and the next CA is known"),
    "rollover.unchanged": Entry("the server still names the same next CA"),
    "rollover.changed": Entry(
        "the current CA names another successor than before; what was kept of that is given up",
        _WARNING,
    ),
    "rollover.shadow-due": Entry("a certificate of the next CA is asked for, to be kept"),
    "rollover.shadow-ready": Entry("a certificate of the next CA is kept until the switch"),
    "rollover.shadow-failed": Entry(
        "no certificate of the next CA yet; asked for again, else the switch is a renewal",
        _WARNING,
    ),
    "rollover.shadow-cancelled": Entry("the operator gave the next CA's certificate up"),
    "rollover.none": Entry("the server names no next CA yet"),
    "rollover.unanswered": Entry("the server did not say whether there is a next CA", _WARNING),
    "rollover.refused": Entry("what the server named as next CA cannot be trusted", _WARNING),
    "rollover.accepted": Entry("the operator accepted the next CA"),
    "rollover.declined": Entry("the operator refused the next CA", _WARNING),
    "rollover.delayed": Entry("the switch to the next CA waits for the operator", _WARNING),
    "rollover.switched": Entry("the next CA is the current one; the certificate follows"),
    "recovery.asking": Entry("a CertPoll asks for the outcome of an unanswered request", _WARNING),
    "recovery.anew": Entry("the lost transaction is closed, a new one follows", _WARNING),
    "challenge.needed": Entry("a new request needs a new challenge password", _WARNING),
    "challenge.provided": Entry("the operator supplied a challenge password"),
    "key.retired": Entry("a key that nothing uses any more is about to be deleted"),
    "key.deleted": Entry("a retired key is gone from its store"),
    "key.kept": Entry("a retired key could not be deleted; it is tried again later", _WARNING),
    "operator.needed": Entry(
        "nothing goes on without the operator; the details name the next step", _ERROR
    ),
}

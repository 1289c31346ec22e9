"""The transition table: the only place where a transition is declared.

The machine, the diagram and every export read `TRANSITIONS`. Rows with the same trigger are tried
in the order given; the first whose guards all hold is taken. An event that no row accepts is
illegal and changes nothing. Whoever comes to rest at ``INSTALLED`` and knows
the next CA rests at ``ROLLOVER``.

Spec: RFC 8894 §2.5.1; checklist 8.
"""

from __future__ import annotations

from dataclasses import dataclass

from sceplab_agent.core import events as ev
from sceplab_agent.core import verdicts as vd
from sceplab_agent.core.states import State

S = State


@dataclass(frozen=True, slots=True)
class Transition:
    """One row."""

    trigger: type
    """Class of the event or verdict."""
    sources: tuple[S, ...]
    destination: S | None
    """``None``: the state stays, nothing is left or entered."""
    guards: tuple[str, ...]
    """Names in `guards`; all must hold."""
    action: str
    """Name in one of the action modules; empty: none."""
    reason: str
    """Why, in one line."""


def _row(  # noqa: PLR0917 - a table reads in columns
    trigger: type,
    sources: S | tuple[S, ...],
    destination: S | None,
    guards: str,
    action: str,
    reason: str,
) -> Transition:
    states = sources if isinstance(sources, tuple) else (sources,)
    return Transition(trigger, states, destination, tuple(guards.split()), action, reason)


_USED = tuple(S)
_AT_WORK = tuple(s for s in _USED if s not in {S.UNCONFIGURED, S.CONFIGURED, S.BLOCKED})
_ACTIVE = (S.INSTALLED, S.ROLLOVER)
_AT_REST = (S.FAILED, S.EXPIRED_TXN, *_ACTIVE)
_STARTABLE = (S.CONFIGURED, S.CA_PINNED, *_AT_REST, S.RETRY_WAIT, S.NEEDS_CHALLENGE)
_RENEWABLE = (*_AT_REST, S.NEEDS_CHALLENGE)
_FETCHING = (S.CA_FETCH, S.RENEW_DUE)
_ASKING = (S.REQUESTING, S.PENDING)
_HOLDING = (S.CONFIGURED, S.CA_PINNED, *_AT_REST, S.RETRY_WAIT)
"""States in which a certificate may wait for its consumers."""
_CANCELLABLE = (
    S.CA_FETCH,
    S.KEYGEN,
    S.NEEDS_CHALLENGE,
    S.REQUESTING,
    S.PENDING,
    S.EXPIRED_TXN,
    S.RETRY_WAIT,
    S.RENEW_DUE,
    S.FAILED,
)

# fmt: off
TRANSITIONS: tuple[Transition, ...] = (
    # Configuration
    _row(ev.TrustpointConfigured, (S.UNCONFIGURED, S.CONFIGURED), S.CONFIGURED, "",
         "note_configuration", "the trustpoint is complete"),
    _row(ev.TrustpointConfigured, S.BLOCKED, S.INSTALLED, "has_active",
         "start_over", "another pin may help; the certificate in use stays"),
    _row(ev.TrustpointConfigured, S.BLOCKED, S.CONFIGURED, "",
         "start_over", "another pin may help; nothing is trusted yet"),
    _row(ev.TrustpointConfigured, _AT_WORK, None, "",
         "note_configuration", "changed while at work: holds from the next step on"),
    # The CA
    _row(ev.AuthenticateRequested, (S.CONFIGURED, S.CA_PINNED, *_AT_REST), S.CA_FETCH, "",
         "begin_authentication", "the operator wants the CA"),
    _row(ev.AuthenticateRequested, S.BLOCKED, S.CA_FETCH, "",
         "begin_authentication_anew", "the operator starts over; the old anchor is forgotten"),
    _row(ev.CaCertificatesReceived, _FETCHING, None, "awaits_ca",
         "judge_ca", "judged first, then pinned, shown or refused"),
    _row(vd.CaTrusted, S.CA_FETCH, S.CA_PINNED, "",
         "pin_ca", "matches pin or stored anchor, or first use is allowed"),
    _row(vd.CaTrusted, S.RENEW_DUE, S.KEYGEN, "",
         "pin_ca_and_prepare_key", "the anchor is the same: the renewal goes on"),
    _row(vd.CaSucceeded, _FETCHING, S.ISSUED_UNVERIFIED, "has_valid_shadow",
         "succeed_with_shadow", "the server has switched: the kept certificate takes over"),
    _row(vd.CaSucceeded, S.CA_FETCH, S.CA_PINNED, "",
         "succeed_ca", "the CA before vouched for it, and its time has come"),
    _row(vd.CaSucceeded, S.RENEW_DUE, S.KEYGEN, "",
         "succeed_ca_and_prepare_key", "the CA before vouched for it: renewed with this one"),
    _row(vd.CaUnpinned, _FETCHING, None, "",
         "ask_operator", "nothing to compare with: the operator looks"),
    _row(vd.CaDistrusted, _FETCHING, S.BLOCKED, "",
         "block", "mismatch, unpinned and not allowed, or no RA of the CA"),
    _row(ev.CaAccepted, S.CA_FETCH, S.CA_PINNED, "awaits_operator",
         "pin_candidate", "the operator compared the fingerprint"),
    _row(ev.CaAccepted, S.RENEW_DUE, S.KEYGEN, "awaits_operator",
         "pin_candidate_and_prepare_key", "the operator compared the fingerprint"),
    _row(ev.CaAccepted, S.BLOCKED, S.INSTALLED, "is_next_ca_asked has_active",
         "accept_next_ca_and_start_over", "the server shows the next CA already"),
    _row(ev.CaAccepted, _USED, None, "is_next_ca_asked",
         "accept_next_ca", "the operator compared the fingerprint; the switch comes later"),
    _row(ev.CaRefused, S.RENEW_DUE, S.BLOCKED, "awaits_operator",
         "block_refused", "no renewal with a CA the operator refuses"),
    _row(ev.CaRefused, S.CA_FETCH, S.INSTALLED, "awaits_operator has_active",
         "refuse_candidate", "the certificate in use stays"),
    _row(ev.CaRefused, S.CA_FETCH, S.CONFIGURED, "awaits_operator",
         "refuse_candidate", "as before; the operator may fetch again"),
    _row(ev.CaRefused, _USED, None, "is_next_ca_asked",
         "decline_next_ca", "the current CA goes on to its end"),
    _row(vd.GoalPursued, S.CA_PINNED, S.KEYGEN, "wants_enrollment",
         "prepare_key", "the CA was fetched for an enrollment"),
    _row(vd.GoalPursued, S.CA_PINNED, S.INSTALLED, "has_active",
         "rest", "only the CA was wanted; the certificate in use stays"),
    _row(vd.GoalPursued, S.CA_PINNED, None, "",
         "rest", "only the CA was wanted"),
    _row(ev.TransportFailed, S.CA_FETCH, S.INSTALLED, "awaits_ca is_interactive has_active",
         "report_unreachable", "the operator sees it and decides"),
    _row(ev.TransportFailed, S.CA_FETCH, S.CA_PINNED, "awaits_ca is_interactive has_ca",
         "report_unreachable", "the operator sees it and decides; the old anchor holds"),
    _row(ev.TransportFailed, S.CA_FETCH, S.CONFIGURED, "awaits_ca is_interactive",
         "report_unreachable", "the operator sees it and decides"),
    _row(ev.TransportFailed, _RENEWABLE, None, "awaits_next_ca",
         "note_unanswered", "asked again later; the certificate in use does not depend on it"),
    _row(ev.TransportFailed, _FETCHING, S.RETRY_WAIT, "awaits_ca may_retry",
         "retry_fetch", "may pass"),
    _row(ev.TransportFailed, _FETCHING, S.FAILED, "awaits_ca",
         "fail", "will not pass, or attempts are used up"),
    # The kept certificate of the next CA, and the attempt to get one
    _row(ev.DeadlineReached, (*_RENEWABLE, S.PENDING, S.RETRY_WAIT), S.ISSUED_UNVERIFIED,
         "is_switch_due",
         "take_over", "the next CA's moment: its kept certificate is installed"),
    _row(ev.DeadlineReached, (S.PENDING, S.RETRY_WAIT), S.ROLLOVER, "is_shadow_over",
         "end_shadow", "the renewal of the certificate in use goes first"),
    _row(ev.EnrollRequested, _AT_REST, S.ISSUED_UNVERIFIED, "is_switch_due has_valid_shadow",
         "take_over", "off at the next CA's moment: its certificate is there already"),
    _row(ev.EnrollRequested, S.PENDING, S.NEEDS_CHALLENGE, "wants_shadow lacks_challenge",
         "begin_without_challenge", "what the operator wants goes first"),
    _row(ev.EnrollRequested, S.PENDING, S.CA_FETCH, "wants_shadow",
         "begin_enrollment", "what the operator wants goes first"),
    _row(ev.RenewRequested, S.PENDING, S.RENEW_DUE, "wants_shadow can_renew",
         "begin_renewal", "what the operator wants goes first"),
    # A certificate waits for its consumers
    _row(ev.EnrollRequested, _HOLDING, S.HANDING_OVER, "can_hand_over",
         "hand_over", "there is a new certificate already: handed over again"),
    _row(ev.RenewRequested, (*_AT_REST, S.RETRY_WAIT), S.HANDING_OVER, "can_hand_over",
         "hand_over", "there is a new certificate already: handed over again"),
    _row(ev.DeadlineReached, _AT_REST, S.HANDING_OVER, "is_renewal_due can_hand_over",
         "hand_over", "the renewal moment: the new certificate is there already"),
    _row(ev.DeadlineReached, _AT_REST, S.HANDING_OVER, "is_reenrollment_due can_hand_over",
         "hand_over", "the certificate has ended, and the new one is there already"),
    # A certificate is wanted
    _row(ev.EnrollRequested, _STARTABLE, S.NEEDS_CHALLENGE, "lacks_challenge",
         "begin_without_challenge", "a first enrollment needs a challenge password"),
    _row(ev.EnrollRequested, _STARTABLE, S.CA_FETCH, "",
         "begin_enrollment", "the CA is fetched again before each transaction (T-47)"),
    _row(ev.ChallengeProvided, S.NEEDS_CHALLENGE, S.CA_FETCH, "",
         "take_challenge", "the CA is fetched again before each transaction (T-47)"),
    _row(ev.RenewRequested, (*_RENEWABLE, S.RETRY_WAIT), S.RENEW_DUE, "can_renew",
         "begin_renewal", "the operator wants it now"),
    _row(ev.DeadlineReached, _AT_REST, S.CA_FETCH, "is_reenrollment_due",
         "begin_reenrollment", "the certificate has ended: enrolled for anew, if the policy says"),
    _row(ev.DeadlineReached, _RENEWABLE, S.RENEW_DUE, "is_renewal_due",
         "begin_renewal", "the renewal moment of the policy"),
    _row(ev.DeadlineReached, _ACTIVE, S.FAILED, "is_expiry_news",
         "report_expiry", "too late to renew"),
    _row(ev.DeadlineReached, (S.FAILED, S.EXPIRED_TXN, S.NEEDS_CHALLENGE), None, "is_expiry_news",
         "report_expiry", "the operator is waited for already"),
    # The next CA
    _row(vd.NextCaKnown, S.INSTALLED, S.ROLLOVER, "",
         "rest_before_switch", "at rest, and the next CA is known"),
    _row(ev.DeadlineReached, S.ROLLOVER, S.KEYGEN, "is_shadow_due",
         "begin_shadow", "the request is enveloped for the next CA"),
    _row(ev.DeadlineReached, _RENEWABLE, None, "is_next_ca_check_due",
         "ask_for_next_ca", "the CA nears its end, or may name another successor (C-31)"),
    _row(ev.NextCaReceived, _RENEWABLE, None, "awaits_next_ca",
         "judge_next", "only the signature of the current CA counts (C-31)"),
    _row(ev.NextCaAbsent, _RENEWABLE, None, "awaits_next_ca",
         "note_absent", "asked again later"),
    _row(ev.DeadlineReached, S.ROLLOVER, None, "is_switch_delayed",
         "report_delay", "without consent nothing is switched"),
    # The key
    _row(ev.KeyReady, S.KEYGEN, S.ROLLOVER, "is_active_key_lost wants_shadow",
         "end_shadow", "the renewal finds out as well"),
    _row(ev.KeyReady, S.KEYGEN, S.FAILED, "is_active_key_lost",
         "fail_lost_key", "the certificate in use has lost its key: another key is no renewal"),
    _row(ev.KeyReady, S.KEYGEN, S.REQUESTING, "is_expected_key",
         "open_transaction", "a new transactionID for every request"),
    _row(ev.KeyFailed, _USED, None, "is_retired_key",
         "keep_retired_key", "deleted another time; nothing depends on it"),
    _row(ev.KeyFailed, S.KEYGEN, S.RETRY_WAIT, "is_wanted_key may_retry",
         "retry_key", "a token may come back"),
    _row(ev.KeyFailed, S.KEYGEN, S.ROLLOVER, "is_wanted_key wants_shadow",
         "end_shadow", "attempts are used up; asked for again later"),
    _row(ev.KeyFailed, S.KEYGEN, S.FAILED, "is_wanted_key",
         "fail", "attempts are used up"),
    _row(ev.KeyDeleted, _USED, None, "is_retired_key",
         "forget_retired_key", "the last trace of the old key"),
    # The request
    _row(ev.RequestBuilt, _ASKING, None, "awaits_message",
         "send_message", "recorded first, then sent (C-45)"),
    _row(ev.RequestFailed, S.REQUESTING, S.RETRY_WAIT, "awaits_message may_retry",
         "retry_build", "a token may come back"),
    _row(ev.RequestFailed, S.PENDING, S.RETRY_WAIT, "awaits_message may_poll_again",
         "retry_poll", "a token may come back"),
    _row(ev.RequestFailed, _ASKING, S.ROLLOVER, "awaits_message wants_shadow",
         "end_shadow", "will not pass, or attempts are used up; asked for again later"),
    _row(ev.RequestFailed, _ASKING, S.FAILED, "awaits_message",
         "fail", "will not pass, or attempts are used up"),
    _row(ev.TransportFailed, S.REQUESTING, S.RETRY_WAIT, "awaits_reply may_retry",
         "retry_unanswered", "the request may have arrived: retransmit, ask or start anew"),
    _row(ev.TransportFailed, S.PENDING, S.RETRY_WAIT, "awaits_reply may_poll_again",
         "retry_poll", "the next CertPoll asks again"),
    _row(ev.TransportFailed, _ASKING, S.ROLLOVER, "awaits_reply wants_shadow",
         "end_shadow", "will not pass, or attempts are used up; asked for again later"),
    _row(ev.TransportFailed, _ASKING, S.FAILED, "awaits_reply",
         "fail", "will not pass, or attempts are used up"),
    # The reply
    _row(ev.ReplyPending, _ASKING, S.RETRY_WAIT, "awaits_reply are_polls_used_up keeps_renewing",
         "expire_round", "a renewal goes on with a new transaction"),
    _row(ev.ReplyPending, _ASKING, S.ROLLOVER, "awaits_reply are_polls_used_up wants_shadow",
         "end_shadow", "polling is bounded (C-30); asked for again later"),
    _row(ev.ReplyPending, _ASKING, S.EXPIRED_TXN, "awaits_reply are_polls_used_up",
         "expire", "polling is bounded (C-30)"),
    _row(ev.ReplyPending, _ASKING, S.PENDING, "awaits_reply",
         "schedule_poll", "the CA waits for an approval"),
    _row(ev.DeadlineReached, S.PENDING, S.RETRY_WAIT,
         "is_poll_due are_polls_used_up keeps_renewing",
         "expire_round", "a renewal goes on with a new transaction"),
    _row(ev.DeadlineReached, S.PENDING, S.ROLLOVER, "is_poll_due are_polls_used_up wants_shadow",
         "end_shadow", "polling is bounded (C-30); asked for again later"),
    _row(ev.DeadlineReached, S.PENDING, S.EXPIRED_TXN, "is_poll_due are_polls_used_up",
         "expire", "polling is bounded (C-30)"),
    _row(ev.DeadlineReached, S.PENDING, None, "is_poll_due",
         "build_poll", "one poll in flight (C-29)"),
    _row(ev.ReplyRejected, S.REQUESTING, None, "asks_after_silence",
         "ask_outcome", "an earlier copy may have been accepted: one CertPoll tells"),
    _row(ev.ReplyRejected, _ASKING, S.ROLLOVER, "awaits_reply wants_shadow",
         "end_shadow", "the server cannot or will not yet; asked for again later"),
    _row(ev.ReplyRejected, _ASKING, S.NEEDS_CHALLENGE, "starts_anew lacks_challenge",
         "start_anew_without_challenge", "the old challenge is spent"),
    _row(ev.ReplyRejected, _ASKING, S.RENEW_DUE, "starts_anew wants_renewal",
         "start_anew", "the server lost it: a new transaction with the same key, once"),
    _row(ev.ReplyRejected, _ASKING, S.CA_FETCH, "starts_anew",
         "start_anew", "the server lost it: a new transaction with the same key, once"),
    _row(ev.ReplyRejected, _ASKING, S.RETRY_WAIT, "awaits_reply keeps_renewing",
         "reject_round", "refused; tried again until the certificate ends"),
    _row(ev.ReplyRejected, _ASKING, S.FAILED, "awaits_reply",
         "reject", "refused; the operator decides"),
    # The certificate
    _row(ev.ReplyIssued, _ASKING, S.ISSUED_UNVERIFIED, "awaits_reply",
         "keep_reply", "the raw reply is kept until the certificate is installed"),
    _row(vd.CertificateFit, S.ISSUED_UNVERIFIED, S.ROLLOVER, "wants_shadow",
         "keep_shadow", "of the next CA, and right at the switch: kept"),
    _row(vd.CertificateFit, S.ISSUED_UNVERIFIED, None, "",
         "install", "key, subject, chain and validity are right (C-43)"),
    _row(vd.CertificateUnfit, S.ISSUED_UNVERIFIED, S.ROLLOVER, "wants_shadow",
         "end_shadow", "not a certificate to be kept; asked for again later"),
    _row(vd.CertificateUnfit, S.ISSUED_UNVERIFIED, S.FAILED, "is_unchanged",
         "fail_unchanged", "it is the certificate in use: the same again every time"),
    _row(vd.CertificateUnfit, S.ISSUED_UNVERIFIED, S.RETRY_WAIT, "keeps_renewing",
         "discard_round", "the active certificate stays; tried again until it ends"),
    _row(vd.CertificateUnfit, S.ISSUED_UNVERIFIED, S.FAILED, "",
         "fail", "not a certificate to be used"),
    _row(ev.CertificateInstalled, S.ISSUED_UNVERIFIED, S.HANDING_OVER,
         "awaits_installation hands_over",
         "begin_handoff", "its consumers come first; the one before stays active"),
    _row(ev.CertificateInstalled, S.ISSUED_UNVERIFIED, S.INSTALLED, "awaits_installation",
         "activate", "the new generation is active, the old key retires"),
    _row(ev.InstallFailed, S.ISSUED_UNVERIFIED, S.RETRY_WAIT, "awaits_installation may_retry",
         "retry_installation", "the certificate is kept and installed again"),
    _row(ev.InstallFailed, S.ISSUED_UNVERIFIED, S.FAILED, "awaits_installation",
         "fail", "attempts are used up; the active certificate stays"),
    # The hand-off
    _row(ev.HandedOver, S.HANDING_OVER, S.INSTALLED, "awaits_handoff",
         "complete_handoff", "the new generation is active, the old key retires"),
    _row(ev.HandOffFailed, S.HANDING_OVER, S.RETRY_WAIT, "awaits_handoff may_hand_over_again",
         "retry_handoff", "the one before stays active; the same one is handed over again"),
    _row(ev.HandOffFailed, S.HANDING_OVER, S.FAILED, "awaits_handoff",
         "fail_handoff", "the one before stays active; the operator decides"),
    # Waiting
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.FAILED, "has_run_out",
         "report_expiry", "the certificate ended before it could be renewed"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.RENEW_DUE, "is_wake_due resumes_fetch wants_renewal",
         "fetch_ca", "from the start"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.CA_FETCH, "is_wake_due resumes_fetch",
         "fetch_ca", "from the start"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.KEYGEN, "is_wake_due resumes_key",
         "prepare_key", "the key again"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.REQUESTING, "is_wake_due resumes_build",
         "build_request", "the message again"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.REQUESTING, "is_wake_due resumes_retransmission",
         "retransmit", "the same bytes: one message sent twice"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.REQUESTING, "is_wake_due resumes_asking",
         "ask_outcome", "a CertPoll for the unanswered request"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.NEEDS_CHALLENGE,
         "is_wake_due resumes_anew lacks_challenge",
         "start_anew_without_challenge", "the old challenge is spent"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.RENEW_DUE, "is_wake_due resumes_anew wants_renewal",
         "start_anew", "a new transaction with the same key"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.CA_FETCH, "is_wake_due resumes_anew",
         "start_anew", "a new transaction with the same key"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, None,
         "is_wake_due resumes_poll are_polls_used_up keeps_renewing",
         "expire_round", "a renewal goes on with a new transaction"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.ROLLOVER,
         "is_wake_due resumes_poll are_polls_used_up wants_shadow",
         "end_shadow", "polling is bounded (C-30); asked for again later"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.EXPIRED_TXN,
         "is_wake_due resumes_poll are_polls_used_up",
         "expire", "polling is bounded (C-30)"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.PENDING, "is_wake_due resumes_poll",
         "build_poll", "the next CertPoll"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.ISSUED_UNVERIFIED, "is_wake_due resumes_installation",
         "install_accepted", "the same certificate again"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.HANDING_OVER,
         "is_wake_due resumes_handoff can_hand_over",
         "hand_over", "the same certificate again"),
    _row(ev.DeadlineReached, S.RETRY_WAIT, S.FAILED, "is_wake_due resumes_handoff",
         "drop_successor", "it ended before its consumers took it"),
    _row(ev.RetryRequested, S.RETRY_WAIT, None, "",
         "hasten", "the operator knows that the cause is gone, or wants to see"),
    _row(ev.DeadlineReached, (S.PENDING, S.RETRY_WAIT), None, "is_expiry_news",
         "note_expiry", "told at once; the certificate that is on its way may still come"),
    _row(ev.DeadlineReached, _USED, None, "",
         "", "too early or too late: harmless"),
    # The operator gives up, the process starts again
    _row(ev.EnrollmentCancelled, _CANCELLABLE, S.ROLLOVER, "wants_shadow",
         "cancel_shadow", "the certificate in use stays; asked for again later"),
    _row(ev.EnrollmentCancelled, S.ROLLOVER, None, "has_shadow",
         "cancel_shadow", "the certificate in use stays; asked for again later"),
    _row(ev.EnrollmentCancelled, _CANCELLABLE, S.INSTALLED, "has_active is_handoff_undone",
         "cancel", "the certificate in use stays"),
    _row(ev.EnrollmentCancelled, _CANCELLABLE, S.CA_PINNED, "has_ca is_handoff_undone",
         "cancel", "the CA stays trusted"),
    _row(ev.EnrollmentCancelled, _CANCELLABLE, S.CONFIGURED, "is_handoff_undone",
         "cancel", "nothing is trusted yet"),
    _row(ev.EnrollmentCancelled, (S.HANDING_OVER, *_CANCELLABLE), None, "",
         "refuse_to_cancel", "a consumer may be using the new key"),
    _row(ev.Restarted, S.REQUESTING, S.RETRY_WAIT, "awaits_reply",
         "recover_at_once", "the request may have left: retransmit, ask or start anew"),
    _row(ev.Restarted, _USED, None, "",
         "resume_step", "the step whose answer was lost is done again"),
)
# fmt: on

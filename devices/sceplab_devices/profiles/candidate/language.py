"""How lines are read on platforms with a candidate configuration; see `Language`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sceplab_devices.interpreter import NOTHING_TO_DO, Decision
from sceplab_devices.profiles.candidate.commands import Following, Request
from sceplab_devices.profiles.candidate.paths import Place, Problem, ProblemKind, read_path
from sceplab_devices.profiles.candidate.pipes import Pipes, read_pipes
from sceplab_devices.profiles.candidate.platform import Platform
from sceplab_devices.profiles.candidate.schema import Node
from sceplab_devices.profiles.candidate.session_state import edit_path, prompt_width
from sceplab_devices.profiles.candidate.words import Word, split_pipes, split_words

if TYPE_CHECKING:
    from sceplab_devices.device import Device
    from sceplab_devices.session import Session

HANDLER = "candidate"
OPERATIONAL = "operational"
CONFIGURE = "configure"


class CandidateLanguage:
    """Reads lines with a platform's command table and schema."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def interpret(self, device: Device, session: Session, line: str) -> Decision:
        """See `Language.interpret`."""
        if session.mode.raw:
            return Decision(handler=session.mode.raw)
        words = split_words(line)
        if not words or words[0].text.startswith("#"):
            return NOTHING_TO_DO
        understood = self.read(session, line)
        if isinstance(understood, Problem):
            return Decision(error=self._explain(device, session, line, understood))
        return Decision(handler=HANDLER, filter=understood[1].as_filter())

    def read(self, session: Session, line: str) -> tuple[Request, Pipes] | Problem:
        """The command and the pipes of a line; ``run`` has its command read as operational."""
        parts = split_pipes(split_words(line))
        mode, words = session.mode.id, parts[0]
        if mode == CONFIGURE and len(words) > 1 and words[0].text == "run":
            mode, words = OPERATIONAL, words[1:]
        if not words:
            return Problem("missing", len(line.rstrip()))
        base = self._base(session) if mode == CONFIGURE else self.platform.schema.root
        request = self.platform.table.parse(mode, words, base)
        if isinstance(request, Problem):
            return request
        pipes = read_pipes(parts[1:], len(line.rstrip()), self.platform.pipes)
        return pipes if isinstance(pipes, Problem) else (request, pipes)

    def _base(self, session: Session) -> Node:
        place = read_path(self.platform.schema.root, [Word(word, 0) for word in edit_path(session)])
        return place.node if isinstance(place, Place) else self.platform.schema.root

    def help_text(self, device: Device, session: Session, typed: str) -> str:
        """See `Language.help_text`."""
        if session.mode.raw:
            return ""
        words, partial, following = self._look(session, typed)
        if not following.is_known:
            return self._explain(device, session, typed, _first_problem(words, typed)) + "\n"
        entries = [(word, word) for word in following.words if word.startswith(partial)]
        entries += [(value, value) for value in following.values]
        keywords = " ".join(word.text for word in words)
        rows = [(shown, self._describe(keywords, word)) for shown, word in sorted(entries)]
        if following.can_end and not partial:
            rows.insert(0, ("<[Enter]>", self._describe("", "<[Enter]>")))
            rows.append(("|", self._describe("", "|")))
        header = str(self.platform.manners["help_header"])
        lines = [f"  {shown:<20} {text}".rstrip() for shown, text in rows]
        return "\n".join([*([header] if header else []), *lines, ""])

    def complete(self, device: Device, session: Session, typed: str) -> list[str]:
        """See `Language.complete`."""
        del device
        if session.mode.raw:
            return []
        _, partial, following = self._look(session, typed)
        if not partial or not following.is_known or partial.startswith('"'):
            return []
        exact = [word for word in following.words if word == partial]
        found = exact or [word for word in following.words if word.startswith(partial)]
        return [typed[: len(typed) - len(partial)] + word + " " for word in found]

    def _look(self, session: Session, typed: str) -> tuple[list[Word], str, Following]:
        """Complete words, the one being typed, and what may stand in its place."""
        parts = split_pipes(split_words(typed))
        words = parts[-1]
        is_open = not words or typed.endswith(" ") or words[-1].is_open
        partial = "" if is_open else words[-1].text
        words = words if is_open else words[:-1]
        if len(parts) > 1:
            return words, partial, _after_pipe(words, self.platform.pipes)
        mode = session.mode.id
        if mode == CONFIGURE and words and words[0].text == "run":
            mode, words = OPERATIONAL, words[1:]
        base = self._base(session) if mode == CONFIGURE else self.platform.schema.root
        return words, partial, self.platform.table.following(mode, words, base)

    def _describe(self, before: str, word: str) -> str:
        texts = self.platform.help
        return texts.get(f"{before} {word}".strip()) or texts.get(word, "")

    def _explain(self, device: Device, session: Session, line: str, problem: Problem) -> str:
        column = prompt_width(device, session) + problem.offset
        if session.width:
            column %= session.width
        kind = _ERRORS.get(problem.kind, problem.kind)
        if kind == "invalid" and session.mode.id == CONFIGURE:
            kind = "invalid_statement"
        return device.profile.error(
            kind,
            marker=" " * column + "^",
            token=problem.word,
            choices="".join(
                f"\n  {word:<20} {self._describe('', word)}".rstrip() for word in problem.choices
            ),
            line=line.strip(),
        )


_ERRORS = {"missing": "incomplete"}


def _after_pipe(words: list[Word], verbs: tuple[str, ...]) -> Following:
    if not words:
        return Following(list(verbs))
    is_display = "display".startswith(words[0].text) and len(words) == 1
    return Following(["set"] if is_display else [], can_end=True)


def _first_problem(words: list[Word], typed: str) -> Problem:
    last = words[-1] if words else Word("", 0)
    kind: ProblemKind = "invalid" if words[1:] else "unknown"
    return Problem(kind, last.offset, last.text or typed)

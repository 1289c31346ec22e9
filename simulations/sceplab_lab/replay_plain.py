r"""Makes a transcript of a plain terminal log, by the prompts of a profile.

A log has no markers: a line that begins as a prompt or a question is where somebody typed, and what
follows on that line is what was typed. Answers to questions for passwords are not in a log; they
become ``{{hidden}}``. Paging prompts with what wiped them are taken out, so turn paging off before
a log is captured, or here with ``terminal length 0`` and the like.
"""

from __future__ import annotations

import re

from sceplab_devices.profile import DeviceProfile
from sceplab_devices.transcript import Header, Part, Transcript, TranscriptError

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[@-~]|\x07|\x00")
_QUESTION = re.compile(r"(.*\w.* ?\[[^\]\n]{1,40}\] ?[:?] ?)(.*)")
_KEY_QUESTION = re.compile(r"(.*\w.*(?:\[confirm\]|\([yY]/[nN]\)) ?)(.?)")
_HIDDEN = re.compile(r"(?:.*\b[Pp]assword|.*\b[Pp]assphrase|.*\bPIN)\s?:\s?")
_FIELD = re.compile(r"\{(\w+)\}")
HIDDEN = "hidden"


def read_plain(text: str, profile: DeviceProfile, name: str = "log") -> Transcript:
    """The transcript that a captured log is.

    Raises:
        TranscriptError: no line begins with a prompt of the platform.
    """
    prompts = _prompts(profile)
    parts = [Part(0, "", "")]
    header = Header(profile=profile.name, line="vty")
    for number, line in enumerate(_lines(text, profile), start=1):
        found = next((found for prompt in prompts if (found := prompt.fullmatch(line))), None)
        if found:
            header.hostname = header.hostname or found.groupdict().get("hostname") or ""
            header.user = header.user or found.groupdict().get("user") or ""
            _split(parts, number, found["prompt"], found["typed"])
            continue
        if _HIDDEN.fullmatch(line):
            parts[-1].output.append(line)
            parts.append(Part(number, ">! ", f"{{{{{HIDDEN}}}}}"))
            continue
        parts[-1].output.append(line)
        _take_answer(parts, number)
    if len(parts) == 1:
        raise TranscriptError(name, 0, f"no line begins with a prompt of {profile.name}")
    if not parts[-1].output:
        parts.pop()  # the log ends with a prompt, or before the answer
    return Transcript(name, header, parts)


def _lines(text: str, profile: DeviceProfile) -> list[str]:
    text = _ESCAPES.sub("", text)
    more = re.escape(profile.shell.more.strip())
    text = re.sub(rf" ?{more} ?(?:[\x08\r ]+)", "", text) if more else text
    while "\x08" in text:
        shorter = re.sub(r"[^\x08\n]\x08 ?\x08?|^\x08+", "", text, count=0)
        if shorter == text:
            break
        text = shorter
    text = text.replace("\r\n", "\n").replace("\r", "")
    return text.removesuffix("\n").split("\n")


def _split(parts: list[Part], number: int, prompt: str, typed: str) -> None:
    """Ends the output at a prompt; begins a part with what was typed there."""
    parts[-1].output.append(prompt)
    parts.append(Part(number, "> ", typed))


def _take_answer(parts: list[Part], number: int) -> None:
    """A question answered on its own line: text, or Enter, behind ``[yes/no]: `` and the like."""
    line = parts[-1].output[-1]
    if found := _KEY_QUESTION.fullmatch(line):
        parts[-1].output[-1] = found[1]
        key = Part(number, ">~ ", found[2] or r"\r")
        key.output.append(found[2])
        parts.append(key)
    elif found := _QUESTION.fullmatch(line):
        parts[-1].output[-1] = found[1]
        parts.append(Part(number, "> ", found[2]))


def _prompts(profile: DeviceProfile) -> list[re.Pattern[str]]:
    """What the last line of each mode's prompt looks like, the longest first."""
    templates = {mode.prompt.rpartition("\n")[2] for mode in profile.modes.values()}
    marks = "|".join(re.escape(mark) for mark in {*profile.shell.marks.values()}) or r"[>#$]"
    found = []
    for template in sorted(filter(None, templates), key=len, reverse=True):
        seen: set[str] = set()
        pattern = ""
        for index, piece in enumerate(_FIELD.split(template)):
            if index % 2 == 0:
                pattern += re.escape(piece)
            elif piece == "mark":
                pattern += f"(?:{marks})"
            elif piece in ("hostname", "user") and piece not in seen:
                seen.add(piece)
                pattern += rf"(?P<{piece}>[\w.-]+?)"
            else:
                pattern += r"[^#>$]*?"
        found.append(re.compile(rf"(?P<prompt>{pattern})(?P<typed>.*)"))
    return found

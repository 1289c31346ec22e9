"""What a benchmark reports, and how a report becomes a line of ``build/bench.json``."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One measured figure."""

    name: str
    """Dotted, from the general to the special: ``enrollment.codec.client``."""
    value: float
    unit: str
    reference: float | None = None
    """What the value is held against, in the same unit."""
    target: float | None = None
    """Bound of the ratio when there is a reference, else of the value."""
    more_is_better: bool = False
    """Whether the target is a lower bound instead of an upper one."""

    @property
    def ratio(self) -> float | None:
        """Value divided by reference."""
        return None if self.reference is None else self.value / self.reference

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.target is None:
            return None
        judged = self.value if self.ratio is None else self.ratio
        return judged >= self.target if self.more_is_better else judged <= self.target

    def as_json(self) -> dict[str, object]:
        """The fields that every reader of ``build/bench.json`` can rely on."""
        fields = asdict(self)
        del fields["more_is_better"]
        return {**fields, "ratio": self.ratio, "met": self.met}

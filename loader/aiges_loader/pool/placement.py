"""What each worker's process gets of the machine. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Placement:
    """What one process gets.

    Attributes:
        gpus: For CUDA_VISIBLE_DEVICES; None leaves that as it is.
        cpus: The CPUs that it may run on; none named: those of the supervisor.
        nice: Added to the supervisor's own; a higher number waits longer for a CPU.
        limits: Number of a resource (`resource.RLIMIT_*`) -> soft and hard limit in the units of
            setrlimit, -1 for none.
    """

    gpus: str | None = None
    cpus: frozenset[int] = frozenset()
    nice: int = 0
    limits: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placements:
    """What the workers of a pool get: lists are dealt out round robin, by their numbers.

    Attributes:
        gpus: One item for each worker in turn, see `Placement`; empty: nothing is dealt.
        cpus: The same.
        nice: For all.
        limits: For all.
    """

    gpus: tuple[str, ...] = ()
    cpus: tuple[frozenset[int], ...] = ()
    nice: int = 0
    limits: Mapping[int, int] = field(default_factory=dict)

    def of(self, number: int) -> Placement:
        """Return the share of worker `number`, counted from 1."""
        return Placement(
            gpus=self.gpus[(number - 1) % len(self.gpus)] if self.gpus else None,
            cpus=self.cpus[(number - 1) % len(self.cpus)] if self.cpus else frozenset(),
            nice=self.nice,
            limits=self.limits,
        )

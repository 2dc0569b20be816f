"""What a pool is to be, as a value."""

from dataclasses import dataclass, field

from aiges_loader.pool.batching import BatchPlan
from aiges_loader.pool.restart import RestartPolicy
from aiges_loader.pool.worker_spec import WorkerSpec


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What a pool is to be.

    Attributes:
        spec: What each worker is.
        policy: When a dead one is started again.
        size: How many workers.
        licences: Calls in the house at once, those that wait for a worker included.
        queue: Calls that may wait for a licence.
        queue_timeout_s: How long; None is up to the call's own deadline.
        restart_wait_s: How long a call waits for a worker that is being started.
        keep_probing: Go on starting workers that have failed, and never give up.
        waits_for_restart: Never give up either, but leave a worker that has failed, or did not
            start, until a restart is asked for.
        min_ready: So many workers must be ready for the service to be.
        retry_on_crash: Try a call whose worker died once more, though it may have done its work.
        batch: Which calls go to a worker together.
        max_resources_bytes: How large all resources may be together.
    """

    spec: WorkerSpec
    policy: RestartPolicy
    size: int
    licences: int
    queue: int
    queue_timeout_s: float | None
    restart_wait_s: float
    keep_probing: bool
    min_ready: int
    retry_on_crash: bool
    batch: BatchPlan = field(default_factory=BatchPlan)
    waits_for_restart: bool = False
    max_resources_bytes: int = 256 << 20

"""What a change of the broker starts: the accepted figures are written again whole, since their topic is compacted."""

from contextlib import suppress

from services.validate.metrics import JOB_FAILURES
from services.validate.state import ValidateState
from services.validate.storage.publications import (
    add_publication,
    deliveries_with_figures,
    load_published,
    published_clusters,
)
from services.validate.storage.tables import SERVICE
from shared.bus.cloudevents import deterministic_id
from shared.bus.cluster import ClusterWatch
from shared.bus.retry import StoppedError
from shared.bus.unit_of_work import UnitOfWorkFactory
from shared.delivery_id import DeliveryId
from shared.jobs import JobRunner
from shared.logs import get_logger
from shared.vital import OnLoss

DELIVERIES_AT_ONCE = 100

log = get_logger(__name__)


class Jobs:
    """Validate's jobs."""

    def __init__(self, units_of_work: UnitOfWorkFactory[ValidateState], on_loss: OnLoss | None = None) -> None:
        self._units_of_work = units_of_work
        self._runner = JobRunner(JOB_FAILURES, on_loss)

    def start(self, cluster: ClusterWatch) -> None:
        """Start all jobs."""
        self._runner.once("publish", lambda: self.publish_to(cluster.cluster_id), after=cluster.wait_known)

    async def stop(self) -> None:
        """Let what is being done end, but not for ever."""
        await self._runner.stop()

    @property
    def alive(self) -> bool:
        """Whether no job has ended by a fault of ours; readiness tells."""
        return self._runner.alive

    async def publish_again(self, cluster_id: str) -> None:
        """Another broker answers: it gets all figures."""
        with suppress(StoppedError):
            await self._runner.until_done("publish", lambda: self.publish_to(cluster_id))

    async def publish_to(self, cluster_id: str) -> None:
        """Make sure that this Kafka cluster has been given all figures; the first one gets them one by one.

        Begun again from the beginning after a kill: the ids are the same, and the topic keeps the last of a key.
        """
        async with self._units_of_work.sessions() as session:
            known = await published_clusters(session)
        if cluster_id in known:
            return
        count, after = 0, None
        while known and (deliveries := await self._next(after)):
            await self._publish(deliveries, cluster_id)
            count, after = count + len(deliveries), deliveries[-1]
        async with self._units_of_work.begin() as work:
            await add_publication(work.session, cluster_id)
        if known:
            log.warning("figures_published_again", cluster_id=cluster_id, count=count)

    async def _next(self, after: DeliveryId | None) -> list[DeliveryId]:
        async with self._units_of_work.sessions() as session:
            return await deliveries_with_figures(session, after, DELIVERIES_AT_ONCE)

    async def _publish(self, deliveries: list[DeliveryId], cluster_id: str) -> None:
        """Publish what is accepted now: with the units locked nobody publishes newer figures in between."""
        async with self._units_of_work.begin({delivery.unit for delivery in deliveries}) as work:
            for each in await load_published(work.session, deliveries):
                delivery = each.figures.delivery_id
                place = (str(delivery), str(each.figures.version), str(each.figures.judgement))
                work.publish(
                    each.figures,
                    unit=delivery.unit,
                    subject=str(delivery),
                    correlation_id=str(each.package_id),
                    event_id=deterministic_id(SERVICE, "figures again", cluster_id, *place),
                )

"""The composition root: the only place where everything meets. `dramatiq worker.main:boot` starts it."""

import sys
from datetime import datetime, timedelta
from threading import Event
from typing import Any, Final

import dramatiq
from dramatiq.broker import Broker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware

from worker import actors, logs, signals
from worker.broker import DeadLetters, Doorbell, WorkerTuning, make_broker
from worker.errors import TellOperator
from worker.jobs.accounts import Accounts
from worker.jobs.canary import Canary
from worker.jobs.consent import Consent
from worker.jobs.finish import FinishJob
from worker.jobs.holding import Holding
from worker.jobs.memory import Memory
from worker.jobs.plan import PlanJob
from worker.jobs.upload import UploadJob
from worker.keeper import Keeper
from worker.mailchimp.clients import ClientPool
from worker.mailchimp.transport import ssl_context
from worker.settings import Settings, environ
from worker.state.audiences import Audiences
from worker.state.catalog import Catalog
from worker.state.client import connect
from worker.state.fitness import check_server
from worker.state.patience import PATIENCE, Patience
from worker.state.presence import Presence
from worker.state.runs import Runs
from worker.state.scripts import Policy, Transitions
from worker.state.slots import Slots
from worker.store import reports
from worker.store.objects import open_store
from worker.store.snapshot_place import drop_all
from worker.sweeper import Sweeper

# the last try may begin when patience ends, and a server that stands still takes another half minute of it
_STUCK_MARGIN: Final = PATIENCE + timedelta(seconds=60)


def boot() -> None:
    """Builds a worker process from the environment, or says in one sentence why it can't."""
    try:
        settings = Settings.from_environment()
        logs.configure(settings.log_format)
        signals.take_repeated_terms_for_one()
        dramatiq.set_broker(build(settings))
    except TellOperator as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def build(settings: Settings) -> RedisBroker:
    """A broker with our actors declared on it, all they need, and the threads that keep watch."""
    redis_url = settings.redis_url.get_secret_value()
    client = connect(redis_url)
    check_server(client)
    stopping = Event()
    policy = Policy(lease=settings.lease, keep=settings.keep)
    transitions = Transitions(client, policy, Patience(stopping))
    slots, runs = Slots(client, transitions), Runs(client, transitions)
    catalog, presence, holding = Catalog(client), Presence(client), Holding()
    objects, keyring = open_store(settings.store_url), settings.keyring()

    life = Lifecycle(stopping)
    broker = make_broker(redis_url, [WorkerTuning(), DeadLetters(), logs.LogContext(), life])
    doorbell = Doorbell(broker)
    accounts = Accounts(
        catalog=catalog,
        keyring=keyring,
        environ=environ(),
        clients=ClientPool(
            deadline=settings.call_deadline,
            override=settings.mailchimp_url,
            # one for all threads, made before they ask for it all at once
            context=ssl_context(),
        ),
        slots=slots,
        holding=holding,
        ring=doorbell.ring,
    )
    audiences, memory = Audiences(client), Memory(objects=objects, sealer=keyring)
    finish = FinishJob(
        runs=runs,
        catalog=catalog,
        accounts=accounts,
        memory=memory,
        holding=holding,
        objects=objects,
        sealer=keyring,
        ring=doorbell.ring,
    )
    actors.declare(
        broker,
        plan=PlanJob(
            runs=runs,
            catalog=catalog,
            audiences=audiences,
            accounts=accounts,
            consent=Consent(accounts=accounts, objects=objects, sealer=keyring),
            memory=memory,
            holding=holding,
            objects=objects,
            sealer=keyring,
            ring=doorbell.ring,
            source_roots=settings.source_roots,
        ),
        upload=UploadJob(
            slots=slots,
            runs=runs,
            accounts=accounts,
            canary=Canary(runs=runs, audiences=audiences),
            holding=holding,
            objects=objects,
            sealer=keyring,
            velocity_delay=settings.velocity_delay,
        ),
        finish=finish,
        doorbell=doorbell,
        run_on=settings.run_on,
        stopping=stopping,
    )

    def expire_reports(now: datetime) -> None:
        reports.expire(objects, now, settings.keep)

    def forget(export: str) -> None:
        if runs.forget_export(export):
            drop_all(objects, export)
            runs.removed(export)

    life.watch(
        Keeper(
            slots=slots,
            runs=runs,
            presence=presence,
            holding=holding,
            doorbell=doorbell,
            lease=settings.lease,
            stuck_after=settings.call_deadline + _STUCK_MARGIN,
        ),
        Sweeper(
            slots=slots,
            runs=runs,
            presence=presence,
            ring=doorbell.ring,
            tidy=finish.tidy,
            expire_reports=expire_reports,
            forget=forget,
            run_deadline=settings.run_deadline,
        ),
        presence,
    )
    return broker


class Lifecycle(Middleware):
    """Starts the watching threads with the process, and lets go of what is not begun when it ends."""

    def __init__(self, stopping: Event) -> None:
        self._stopping = stopping
        self._keeper: Keeper | None = None
        self._sweeper: Sweeper | None = None
        self._presence: Presence | None = None

    def watch(self, keeper: Keeper, sweeper: Sweeper, presence: Presence) -> None:
        """Names the threads to start."""
        self._keeper, self._sweeper, self._presence = keeper, sweeper, presence

    def after_process_boot(self, broker: Broker) -> None:  # noqa: ARG002 - Dramatiq's signature
        """A worker process has everything it needs: keep watch."""
        if self._keeper and self._sweeper:
            self._keeper.start()
            self._sweeper.start()

    def before_worker_shutdown(self, broker: Broker, worker: Any) -> None:  # noqa: ARG002
        """No thread takes another chunk; calls in flight go on, and the keeper renews them."""
        self._stopping.set()

    def after_worker_shutdown(self, broker: Broker, worker: Any) -> None:  # noqa: ARG002
        """All calls have ended."""
        if self._keeper and self._sweeper and self._presence:
            self._sweeper.stop()
            self._keeper.stop()
            self._presence.gone()

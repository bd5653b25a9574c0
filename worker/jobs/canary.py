"""The first call on an audience that is not known: looked at before and after, and alone."""

from typing import Final

import structlog

from worker.exports.chunks import StagedChunk
from worker.exports.uploading import OUT
from worker.jobs.sending import Sent, compare, look, send
from worker.mailchimp.client import MailchimpClient
from worker.state.audiences import Audiences, Manners
from worker.state.run_records import RunFacts
from worker.state.runs import Runs
from worker.state.scripts import Bell

log = structlog.get_logger()

MOST: Final = 6
"""Of how many members the state is looked up, one by one, before and after the call."""


class Canary:
    """Sends the members that go first, and remembers for the audience what they showed."""

    def __init__(self, *, runs: Runs, audiences: Audiences) -> None:
        self._runs = runs
        self._audiences = audiences

    def send(self, client: MailchimpClient, facts: RunFacts, chunk: StagedChunk) -> tuple[Sent, list[Bell]]:
        """Sends them; opens the fan-out, makes the plan void, or stops the run, by what they showed.

        Raises:
            RetryLater, ChunkRefused, StopRun: as the client does.
        """
        before = look(client, facts.audience_id, chunk)
        sent = send(client, facts.audience_id, chunk, skip_required=facts.skip_required)
        after = look(client, facts.audience_id, chunk)
        refused = [at for at, _ in sent.members.refused] + [at for at, _ in sent.members.suppressed]
        finding = compare(chunk, before, after, refused)
        # whoever left between the two looks did so on their own: no call of ours asks for that
        harms = [harm for harm in finding.harms if harm.rpartition("->")[2] not in OUT]
        log.info(
            "canary.seen", harms=harms, status_if_new=finding.knows_status_if_new, tags=finding.knows_tags
        )
        if harms:
            return sent, self._stop(facts, harms)
        manners = Manners(
            status_if_new=finding.knows_status_if_new is not False, tags=finding.knows_tags is not False
        )
        if facts.status_for_all:
            manners = Manners(status_if_new=False, tags=manners.tags)
        if finding.knows_status_if_new is not None or facts.status_for_all:
            self._audiences.learn(facts.connection, facts.audience_id, manners)
        if manners.tags and (manners.status_if_new or facts.status_for_all):
            return sent, self._runs.pass_canary(facts.run_id)
        self._audiences.learn(facts.connection, facts.audience_id, manners)
        return sent, self._runs.replan(facts.run_id, facts.epoch)

    def change_manners(self, facts: RunFacts) -> list[Bell]:
        """The audience's batch call wants a status for everybody, and, as far as is known, sets no tags."""
        log.info("canary.seen", status_if_new=False, tags=False)
        self._audiences.learn(facts.connection, facts.audience_id, Manners(status_if_new=False, tags=False))
        return self._runs.replan(facts.run_id, facts.epoch)

    def _stop(self, facts: RunFacts, harms: list[str]) -> list[Bell]:
        self._audiences.forget(facts.connection, facts.audience_id)
        seen = ", ".join(sorted(set(harms)))
        sentence = (
            f"The first members sent to audience {facts.audience_id} came out otherwise than they should "
            f"({seen}): nothing else was sent; look at those members in Mailchimp and tell its support."
        )
        log.critical("canary.harm", harms=harms)
        return self._runs.stop(facts.run_id, status="failed", sentence=sentence)[1]

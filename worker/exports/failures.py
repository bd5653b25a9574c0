"""Why chunks are given up, in the words of the ledger and in words for people."""

from typing import Final

UNANSWERED: Final = "unanswered"
"""The word for members whom Mailchimp's answers never named."""
SENTENCES: Final = {
    "not_sent": "The run was stopped before this profile was sent.",
    "unseen": "The run was stopped before Mailchimp's answer was seen, so this profile may have arrived.",
    "deadline": "The run's time was over before this profile could be delivered.",
    "not_delivered": "Mailchimp did not take this profile's chunk in many tries: run the export again later.",
    "kills_workers": "Uploading this profile's chunk ended its worker several times: see the workers' logs.",
    "staged_data_lost": "This profile's staged chunk is gone from the store: run the export again.",
    "refused": "Mailchimp refused the call as a whole: see the workers' logs.",
    UNANSWERED: "Mailchimp's answers never said what became of this member: run the export again later.",
}
NOT_PLANNED: Final = "not_planned"
"""The word for everybody whom a plan that broke off did not come to."""
NOT_PLANNED_SENTENCE: Final = (
    "Planning broke off, so others may be missing who are not named: run the export again."
)

"""Configuration files for tests and the demo."""

from pathlib import Path
from typing import Any

from tests.mailchimp_standin import LIST_ID

TAGS = ("Loyal customers", "Likely to churn")


def account(api_key: str = "env:MAILCHIMP_API_KEY", **more: Any) -> dict[str, Any]:
    """A connection, for a configuration file that is written as JSON."""
    consent = {"agreed_by": "dana@example.com", "agreed_on": "2026-11-23"}
    return {"type": "mailchimp", "api_key": api_key, "consent": consent, **more}


def two_segments(data: Path, **export: str) -> str:
    """One export of two overlapping segments to the stand-in's audience."""
    more = "".join(f"\n    {name}: {value}" for name, value in export.items())
    return f"""\
connections:
  newsletter:
    type: mailchimp
    display_name: Newsletter account
    api_key: env:MAILCHIMP_API_KEY
    consent: {{agreed_by: dana@example.com, agreed_on: 2026-11-23}}
segments:
  loyal-customers:
    display_name: {TAGS[0]}
    source: {data}/{{refresh_id}}/{{segment}}.parquet
  churn-risk:
    display_name: {TAGS[1]}
    source: {data}/{{refresh_id}}/{{segment}}.parquet
exports:
  weekly-newsletter:
    connection: newsletter
    audience_id: {LIST_ID}
    segments: [loyal-customers, churn-risk]
    email: email
    attributes: {{FNAME: first_name, LNAME: last_name, PHONE: phone, CITY: city, VISITS: visits}}
    run: on_refresh{more}
"""

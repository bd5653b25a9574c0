"""Tests of the Mailchimp room, and the badly behaved far side that they share."""

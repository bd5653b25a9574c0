"""The far side: the only room that knows HTTP and Mailchimp's words."""

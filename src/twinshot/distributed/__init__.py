"""Past one machine, by Ray (extra `distributed`): pairs restored, triples synthesised. Nothing else imports Ray."""

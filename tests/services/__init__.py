"""Real services that tests talk to: browser, databases."""

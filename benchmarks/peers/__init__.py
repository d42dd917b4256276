"""Other people's Confluence readers over the benchmark's server, each in an environment of its own, beside ours: ``make bench-peers``."""

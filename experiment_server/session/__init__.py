"""One running session of a study: its participants, its file, its log, and the news of them."""

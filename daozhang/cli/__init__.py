"""The command line: one file per group of verbs. It talks HTTP, and never to the database."""

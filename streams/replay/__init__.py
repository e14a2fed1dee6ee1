"""The replay of a day: its posts once more through the same code, apart from the live day, as fast as one likes.

selection.py   which messages
reader.py      what a reader of messages promises
kafka.py  files.py  lookup.py    the readers
feed.py        items → the run's own `posts.raw`, paced, resumable
workers.py     the run's enrich and store workers
manifest.py    what came of it, and whether it adds up
plan.py        what a replay would do
replay.py      all of these together
runs.py        the runs that there are
"""

"""Replaying messages: earlier posts pass through the same code again, separate from the live run and at any speed.

selection.py   Which messages to replay
reader.py      The interface of readers of messages
kafka.py  files.py  lookup.py    The readers
feed.py        Sends items to the `posts.raw` of the run; paced and resumable
workers.py     The enrich, store and watch workers of the run
manifest.py    The results of a run, and whether they add up
plan.py        What a replay would do
state.py       The state of replays on disk
replay.py      A whole replay
runs.py        Listing and dropping runs
"""

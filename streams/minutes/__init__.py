"""Minutes of event time, made of the posts of one partition, and put together again. No Kafka and no wall clock in here.

text.py        what a post's text holds: words, questions, what it has in common with others
post.py        what a minute keeps of a post
part.py        posts of a minute and hashtag → a part (`PulseMinute`)
labels.py      which hashtags have minutes of their own
known.py       what stands on `pulse.minutes` already
partition.py   the records of a partition, in their order → parts
merge.py       parts of all partitions → whole minutes, in order
"""

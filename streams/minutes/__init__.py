"""Minutes of event time: counted per partition, then merged. This package uses neither Kafka nor the wall clock.

text.py               what is found in a post's text: words, questions, a fingerprint
post.py               what a minute keeps of a post
part.py               posts of one minute and hashtag → a part (`PulseMinute`)
counted_hashtags.py   which hashtags are counted separately
resume_state.py       what is already on `pulse.minutes`
partition.py          the records of a partition, in order → parts
merge.py              parts of all partitions → complete minutes, in order
"""

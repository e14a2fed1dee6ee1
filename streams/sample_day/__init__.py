"""The sample day: an invented police Twitter day (#poltwt), used as input by the demo and by many tests.

No person, place, account or post in it is real. `script.toml` contains the events of the day, `phrases/` the texts of
the posts, and `poltwt.toml` is the campaign file for it.
"""

from streams.sample_day.compose import ScriptLine, compose, sample_day
from streams.sample_day.script import END, SPIKE, START

__all__ = ["END", "SPIKE", "START", "ScriptLine", "compose", "sample_day"]

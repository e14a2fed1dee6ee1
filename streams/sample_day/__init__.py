"""A police Twitter day (#poltwt), invented for this project: the bundled input of the demo and of many tests.

No person, place, account or post in it is real. `script.toml` is the course of the day, `phrases/` what people say,
`poltwt.toml` the campaign file that fits.
"""

from streams.sample_day.compose import ScriptLine, compose, sample_day
from streams.sample_day.script import END, SPIKE, START

__all__ = ["END", "SPIKE", "START", "ScriptLine", "compose", "sample_day"]

"""`tagpulse up`: the whole on one machine for a trial, without Docker."""

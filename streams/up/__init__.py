"""`tagpulse up`: a trial of the whole pipeline on one machine, without Docker."""

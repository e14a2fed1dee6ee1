"""`tagpulse demo`: plays the sample day through a broker, the producer and the workers, with a live view."""

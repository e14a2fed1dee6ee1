"""`tagpulse demo`: the sample day through a broker, the producer and the workers, watched live in the terminal."""

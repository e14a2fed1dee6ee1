"""The worker runtime: lossless batch processing, the Faust application and consumer, and the watchdog."""

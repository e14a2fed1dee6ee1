"""What runs a worker: the recipe that loses nothing, Faust's application and consumer, and the watchdog."""

"""Spikes on their way out: to Alertmanager and to webhooks, each told once, in words that do no harm."""

"""Delivery of spikes to Alertmanager and webhooks: each message once, with untrusted text made harmless."""

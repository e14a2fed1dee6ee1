"""The Grafana dashboards as code: `python -m deploy.grafana.boards` writes deploy/grafana/dashboards/*.json anew."""

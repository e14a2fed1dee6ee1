"""The Grafana dashboards as code: `python -m deploy.grafana.boards` generates deploy/grafana/dashboards/*.json."""

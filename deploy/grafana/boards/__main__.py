"""Write every dashboard into the folder `dashboards` beside this package."""

from deploy.grafana.boards.build import FOLDER, rendered

for name, text in rendered().items():
    (FOLDER / name).write_text(text, encoding="utf-8")

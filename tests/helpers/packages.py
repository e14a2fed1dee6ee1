"""Packages of other authors, as `pip install` would leave them."""

from __future__ import annotations

from pathlib import Path


def installed(folder: Path, source: Path, name: str, entry_points: str) -> Path:
    """Install a module as a package with entry points, and return the site-packages folder that contains it."""
    site = folder / "site"
    about = site / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (site / f"{name}.py").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)
    return site

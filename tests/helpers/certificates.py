"""Certificates for a test, made with openssl: an authority and the certificates that it signs."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """Three PEM files: the certificate, its key, and both in one file, as Kafka expects them."""

    cert: Path
    key: Path
    both: Path


class Authority:
    """An authority that signs certificates; `path` is the certificate to trust. Skips the test if openssl is missing.

    Python 3.13 and newer refuse an authority without `extensions`.
    """

    def __init__(
        self, folder: Path, name: str = "authority", *, extensions: str = "keyUsage=critical,keyCertSign,cRLSign"
    ) -> None:
        if not shutil.which("openssl"):
            pytest.skip("certificates need openssl, which is not installed")
        self._folder = folder
        self._name = name
        self.path = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        subject = ("-subj", f"/CN={name}", *(("-addext", extensions) if extensions else ()))
        _openssl("req", "-x509", *_NEW_KEY, "-days", "2", *subject, "-keyout", self._key, "-out", self.path)

    def sign(self, common_name: str, *alternative_names: str, password: str | None = None) -> Certificate:
        """Sign a certificate for a name; `alternative_names` are `DNS:…` or `IP:…`; `password` encrypts its key."""
        stem = self._folder / f"{self._name}-{common_name}"
        key, request, cert = (stem.with_suffix(suffix) for suffix in (".key", ".csr", ".pem"))
        _openssl("req", "-new", *_NEW_KEY, "-subj", f"/CN={common_name}", "-keyout", key, "-out", request)
        extensions = stem.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={','.join(alternative_names or (f'DNS:{common_name}',))}\n")
        signed_by = ("-CA", self.path, "-CAkey", self._key, "-CAcreateserial", "-extfile", extensions)
        _openssl("x509", "-req", "-in", request, "-days", "2", *signed_by, "-out", cert)
        both = stem.with_suffix(".both")
        both.write_text(key.read_text() + cert.read_text())
        if password:
            encrypted = stem.with_suffix(".encrypted")
            _openssl("pkcs8", "-topk8", "-in", key, "-out", encrypted, "-passout", f"pass:{password}")
            key = encrypted
        return Certificate(cert=cert, key=key, both=both)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

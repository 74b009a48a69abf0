"""Kubernetes' own schema judges the manifest of Examples/deploy, and finds what is wrong in it."""

import subprocess

import pytest

from support.fronts import FOLDER, replaced
from support.gateway import ROOT


@pytest.mark.parametrize("change, complaint", [
    (("", ""), None),
    (("periodSeconds: 2", "periodSecond: 2"), "startupProbe: Additional properties are not allowed ('periodSecond'"),
    (("containerPort: 8000", 'containerPort: "8000"'), "containerPort: '8000' is not of type 'integer'"),
])
def test_kubernetes_is_what_its_schema_asks_for(tmp_path, change, complaint):
    manifest = tmp_path / "kubernetes.yaml"
    words = (FOLDER / "kubernetes.yaml").read_text()
    manifest.write_text(words if complaint is None else replaced(words, *change))
    done = subprocess.run([ROOT / ".venv-wheel" / "bin" / "kubernetes-validate", "--strict", manifest],
                          capture_output=True, text=True)
    assert (done.returncode == 0) == (complaint is None), done.stdout + done.stderr
    assert (complaint or "passed for resource deployment/hello") in done.stdout + done.stderr

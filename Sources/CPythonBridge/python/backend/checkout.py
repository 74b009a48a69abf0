"""The build backend (PEP 517): a wheel is made by scripts/wheel of the checkout that this folder belongs to."""
import importlib.util
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[4]


def get_requires_for_build_wheel(config_settings=None):
    """Ends the process where the wheel would be of no use: pip installs what it has built without a look at its tag."""
    del config_settings
    spec = importlib.util.spec_from_file_location("library", HERE.parents[1] / "evgateway" / "library.py")
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    reason = library.refusal()
    if reason:
        sys.exit(f"evgateway cannot be installed for {sys.executable}: {reason}")
    return []


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    del metadata_directory
    get_requires_for_build_wheel(config_settings)
    done = subprocess.run([ROOT / "scripts" / "wheel", "--output", wheel_directory, "--name"], stdout=subprocess.PIPE,
                          text=True, check=True)
    return done.stdout.split()[-1]


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError("evgateway is built from a checkout: there is no source distribution")

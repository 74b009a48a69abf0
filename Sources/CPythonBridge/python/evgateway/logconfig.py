"""The configuration of Python's logging that settings name: logconfig_dict, else logconfig_json, else logconfig, with
gunicorn's defaults below what is a dictionary. As under uvicorn, logconfig may be a .json or .yaml file, too.

Law: what cannot be used is a RuntimeError of one line.
"""
import configparser
import json
import logging.config
import os

GENERIC = {"class": "logging.Formatter", "format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
           "datefmt": "[%Y-%m-%d %H:%M:%S %z]"}


def _stream(name):
    return {"class": "logging.StreamHandler", "formatter": "generic", "stream": f"ext://sys.{name}"}


def _logger(name, handler):
    return {"level": "INFO", "handlers": [handler], "propagate": True, "qualname": name}


DEFAULTS = {
    "version": 1, "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {"gunicorn.error": _logger("gunicorn.error", "error_console"),
                "gunicorn.access": _logger("gunicorn.access", "console")},
    "handlers": {"console": _stream("stdout"), "error_console": _stream("stderr")},
    "formatters": {"generic": GENERIC},
}
MISSING = "Error: log config '{}' not found"
ERRORS = (AttributeError, ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError)


def is_given(cfg):
    return bool(cfg.logconfig_dict or cfg.logconfig_json or cfg.logconfig)


def setting(cfg):
    """Returns the name of the setting that counts; None without one."""
    return next((name for name in ("logconfig_dict", "logconfig_json", "logconfig") if getattr(cfg, name)), None)


def apply(cfg):
    """Configures Python's logging. Nothing is done where no setting asks for it, or the JSON file is missing."""
    if is_ini(cfg):
        return _apply_file(cfg.logconfig)
    given = dictionary(cfg)
    if given is None:
        return
    try:
        logging.config.dictConfig({**DEFAULTS, **given})
    except ERRORS as error:
        raise RuntimeError(explained(error)) from error


def is_ini(cfg):
    return setting(cfg) == "logconfig" and not cfg.logconfig.endswith((".json", ".yaml", ".yml"))


def dictionary(cfg):
    """Returns the dictionary that is given, or that a file holds; None without one."""
    kind = setting(cfg)
    if kind == "logconfig_json":
        return read_json(cfg.logconfig_json)
    if kind != "logconfig":
        return cfg.logconfig_dict if kind else None
    given = read_json(cfg.logconfig) if cfg.logconfig.endswith(".json") else read_yaml(cfg.logconfig)
    if given is None:
        raise RuntimeError(MISSING.format(cfg.logconfig))
    return given


def _apply_file(path):
    parser = read_ini(path)
    try:
        logging.config.fileConfig(parser, disable_existing_loggers=False)
    except ERRORS as error:
        raise RuntimeError(f"{path}: {explained(error)}") from error


def read_json(path):
    return read_mapping(path, json.load, "object")


def read_yaml(path):
    return read_mapping(path, load_yaml, "mapping")


def read_mapping(path, load, noun):
    """Returns what the file holds; None if there is none, which gunicorn takes for no configuration."""
    if not os.path.exists(path):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            given = load(file)
    except ImportError:
        raise RuntimeError(f"{path}: YAML needs PyYAML beside the app (pip install PyYAML)") from None
    except (OSError, ValueError) as error:
        raise RuntimeError(f"{path}: {explained(error)}") from error
    if not isinstance(given, dict):
        raise RuntimeError(f"{path}: it holds no {noun}")
    return given


def load_yaml(file):
    import yaml
    try:
        return yaml.safe_load(file)
    except yaml.YAMLError as error:
        raise ValueError(explained(error)) from None


def read_ini(path):
    if not os.path.exists(path):
        raise RuntimeError(MISSING.format(path))
    parser = configparser.ConfigParser(
        {"__file__": path.replace("%", "%%"), "here": os.path.dirname(path).replace("%", "%%")})
    try:
        with open(path) as file:
            parser.read_file(file)
    except (configparser.Error, OSError, ValueError) as error:
        raise RuntimeError(f"{path}: {explained(error)}") from error
    for section in ("loggers", "handlers", "formatters"):
        if not parser.has_section(section):
            raise RuntimeError(f"{path}: there is no section [{section}]")
    return parser


def names(cfg):
    """Returns the names of the loggers that the configuration has."""
    if is_ini(cfg):
        parser = read_ini(cfg.logconfig)
        return {parser.get(section, "qualname", fallback="", raw=True)
                for section in parser.sections() if section.startswith("logger_")}
    return set((dictionary(cfg) or {}).get("loggers") or ())


def explained(error):
    """Returns an error and its cause in one line: of dictConfig, the cause says what is wrong."""
    text = str(error) or type(error).__name__
    if isinstance(error, KeyError):
        text = f"{error} is missing"
    cause = error.__cause__
    if cause is not None and str(cause) not in text:
        text += f": {str(cause) or type(cause).__name__}"
    return " ".join(text.split())

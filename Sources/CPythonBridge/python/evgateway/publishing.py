"""evgateway.publish: makes an item in JSON of what an app gives, and hands it to the server.

Law: bytes are written in base64 under the name that ends with -bin, as Pushpin has it; what an item may be is decided
by the server alone.
"""
import base64
import json
import sys

_BYTES = (bytes, bytearray, memoryview)


def publish(channel, data, id=None, prev_id=None, meta=None):
    extension = sys.modules.get("_evgateway")
    if extension is None:
        raise RuntimeError("evgateway.publish works in a worker of evgateway: nothing serves in this process")
    item = _item(data)
    item["channel"] = _text(channel, "channel")
    for name, value in (("id", id), ("prev-id", prev_id)):
        if value is not None:
            item[name] = str(value) if isinstance(value, int) else _text(value, name)
    if meta is not None:
        item["meta"] = {str(name): str(value) for name, value in meta.items()}
    extension.publish(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode())


def _text(value, what):
    if isinstance(value, _BYTES):
        return bytes(value).decode()
    if not isinstance(value, str):
        raise TypeError(f"{what} is to be a str, not {type(value).__name__}")
    return value


def _item(data):
    if isinstance(data, (str, *_BYTES)):
        return {"formats": {"any": _content("content", data)}}
    if isinstance(data, dict):
        return {"formats": {name: _exported(value) for name, value in data.items()}}
    if isinstance(data, (list, tuple)):
        return {"formats": {value.name(): _exported(value) for value in data}}
    if hasattr(data, "name") and hasattr(data, "export"):
        return {"formats": {data.name(): _exported(data)}}
    if hasattr(data, "export"):     # pubcontrol's Item: its formats stand beside the channel, or in an object
        return dict(data.export())
    raise TypeError(f"what is published is str, bytes, or formats, not {type(data).__name__}")


def _exported(value):
    """Returns a format as a dict that JSON can express."""
    if hasattr(value, "export"):
        value = value.export()
    if not isinstance(value, dict):
        raise TypeError(f"a format is a dict, not {type(value).__name__}")
    made = {}
    for name, member in value.items():
        made.update(_content(name, member))
    return made


def _content(name, value):
    if isinstance(value, _BYTES):
        return {f"{name}-bin": base64.b64encode(value).decode("ascii")}
    return {name: value}

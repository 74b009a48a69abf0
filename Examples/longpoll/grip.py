from evgateway import publish
from flask import Flask, request

app = Flask(__name__)


@app.get("/messages")
def wait():
    return "", 204, {"Grip-Hold": "response", "Grip-Channel": "chat", "Grip-Timeout": "25"}


@app.post("/messages")
def say():
    publish("chat", request.get_data())
    return "", 201

"""evgateway Examples/flask-hello/app.py"""

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/")
def index():
    return "Hello, World!"


@app.get("/hello/<name>")
def hello(name):
    return jsonify(hello=name)


@app.post("/echo")
def echo():
    return jsonify(request.get_json())


@app.get("/count/<int:last>")
def count(last):
    return (f"{number}\n" for number in range(1, last + 1)), {"Content-Type": "text/plain"}

"""A Flask application, as somebody else would write it. It knows nothing of Segue."""

import os

from flask import Flask, request

app = Flask(__name__)
GREETING = "hello"


@app.get("/")
def greet():
    return f"{GREETING} from release {os.environ['SEGUE_RELEASE']}, in Flask\n"


@app.post("/")
def echo():
    return request.get_data()

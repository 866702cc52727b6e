"""A Flask application, for the WSGI servers. How it stops is their affair:
Flask's documentation sends you to them.
https://flask.palletsprojects.com/en/stable/deploying/
"""

import time

from flask import Flask, Response, request

from answers import lines, seconds

app = Flask(__name__)


@app.get("/")
def hello():
    return "hello\n"


@app.get("/slow")
def slow():
    time.sleep(seconds(request.args.get("ms")))
    return "slow\n"


@app.get("/stream")
def stream():
    return Response(lines(seconds(request.args.get("ms"))), mimetype="text/plain")


@app.post("/upload")
def upload():
    return f"{len(request.get_data())}\n"

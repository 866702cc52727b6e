// The Express app of all three ways to stop it, or not.
'use strict'

const { Readable, pipeline } = require('node:stream')
const express = require('express')
const { after, events, length, lines, wait } = require('./answers')

const app = express()
app.get('/', (req, res) => res.send('hello\n'))
app.get('/slow', async (req, res) => {
  await after(wait(req.query.ms))
  res.send('slow\n')
})
app.get('/stream', (req, res) => pipeline(Readable.from(lines(wait(req.query.ms))), res.type('text'), ignore))
app.get('/events', (req, res) => pipeline(Readable.from(events()), res.type('text/event-stream'), ignore))
app.post('/upload', async (req, res) => res.send(await length(req)))

const ignore = () => {} // the client has gone

module.exports = app

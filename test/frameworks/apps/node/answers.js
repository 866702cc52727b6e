// What the servers here have in common: the bodies that they read and write.
'use strict'

const { setTimeout: after } = require('node:timers/promises')

// lines are a streamed answer: a line each 50 ms, for ms.
async function * lines (ms) {
  for (const end = Date.now() + ms; Date.now() < end; await after(50)) yield 'line\n'
  yield 'end\n'
}

// events are server-sent events that never end by themselves.
async function * events () {
  for (let n = 1; ; n++) {
    yield `data: ${n}\n\n`
    await after(50)
  }
}

// length reads a body to its end.
async function length (body) {
  let n = 0
  for await (const chunk of body) n += chunk.length
  return `${n}\n`
}

// wait is how long a slow or streamed answer shall take, in ms.
const wait = (asked) => Number(asked ?? 1500)

module.exports = { after, events, length, lines, wait }

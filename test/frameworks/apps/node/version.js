// version.js PACKAGE...: prints the versions of Node and of packages here.
'use strict'

const { readFileSync } = require('node:fs')

console.log(`Node ${process.versions.node}`)
for (const name of process.argv.slice(2)) {
  const { version } = JSON.parse(readFileSync(`${__dirname}/node_modules/${name}/package.json`))
  console.log(`${name} ${version}`)
}

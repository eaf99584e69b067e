#!/usr/bin/env node
// flood-watch.mjs: polls a river gauge and sends an alert through the Konexus API when the water is too high. Needs Node 18 or newer.
// The token comes from a file that konexus-tokend keeps fresh: this program knows nothing of OAuth.
//
//   GAUGE=https://gauges.example.org/river.json node flood-watch.mjs
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const { GAUGE, TOKEN_FILE = '/run/konexus-tokend/konexus.token', API = 'https://admin.alertsense.com' } = process.env
const limit = Number(process.env.LIMIT ?? 3.5)
const interval = Number(process.env.INTERVAL ?? 30) * 1000

// Reads the token anew for each call, and once more on a 401 if it was replaced meanwhile. Without a file there is no valid token
// just now: the error tells the caller to try again later.
async function call(url, options = {}) {
  let response, used
  for (const isLast of [false, true]) {
    const token = await readFile(TOKEN_FILE, 'ascii')
    if (token === used) break
    used = token
    response = await fetch(url, {
      ...options,
      headers: { ...options.headers, authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(10_000),
    })
    if (response.status !== 401 || isLast) break
  }
  if (!response.ok) throw new Error(`the API answered ${response.status}`)
  return response
}

const unsent = []
for (;;) {
  try {
    const response = await fetch(GAUGE, { signal: AbortSignal.timeout(10_000) })
    const { id, level } = await response.json()
    if (level > limit) unsent.push({ title: 'Flood warning', level, reading: id })
  } catch (error) {
    console.error(`flood-watch: no reading: ${error.message}`)
  }
  // An alert is kept until the API has taken it.
  while (unsent.length > 0) {
    const body = JSON.stringify(unsent[0])
    try {
      await call(`${API}/api/v2/alerts`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      unsent.shift()
      console.log(`flood-watch: alert sent: ${body}`)
    } catch (error) {
      console.error(`flood-watch: alert not sent, will be tried again: ${error.message}`)
      break
    }
  }
  await sleep(interval)
}

#!/usr/bin/env node
// flood-watch.mjs reads a river gauge and sends one alert through the Konexus API when the water rises above LIMIT.
//
//   GAUGE=https://gauges.example.org/river.json PLACE="Mill Creek" GROUP_IDS=1003 node flood-watch.mjs [--dry-run]
//
// It needs Node 18 and nothing else. README.md beside this file explains the settings, the rules and the messages.
// It runs until a signal. With --dry-run, or a wrong setting, it ends with an exit code:
//
//   0   the dry run succeeded
//   1   the dry run failed
//   64  a setting is wrong
//
// Its messages begin with one of these texts:
//
//   alert sent            alert was accepted before
//   alert not sent        older alert discarded
//   no reading            no state of a previous run
//   state not saved       wrong setting
//   dry run succeeded     dry run failed
import { createHash } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { basename, dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const log = (message) => console.error(`flood-watch: ${message}`)

const { GAUGE = '', PLACE = 'the river', GROUP_IDS = '', API = 'https://admin.alertsense.com' } = process.env
const { TOKEN_FILE = '/run/konexus-tokend/konexus.token', STATE_DIRECTORY = '.' } = process.env
// Unlike Number(), this rejects an empty text.
const parseNumber = (text) => (`${text}`.trim() === '' ? NaN : Number(text))
const defaults = { LIMIT: 3.5, RESET_LIMIT: 3.0, MIN_INTERVAL: 3600, INTERVAL: 30, TIMEOUT: 20 }
const [limit, resetLimit, minInterval, interval, timeout] =
  Object.entries(defaults).map(([name, value]) => parseNumber(process.env[name] ?? value))
const groupIds = GROUP_IDS.split(',').filter(Boolean).map(Number)
const stateFile = `${STATE_DIRECTORY}/flood-watch.json`
const areSettingsRight = GAUGE && API.startsWith('https://') && groupIds.every(Number.isInteger)
  && [limit, resetLimit, minInterval, interval, timeout].every(Number.isFinite)
  && resetLimit <= limit && minInterval >= 1 && interval > 0 && timeout > 0
  && ['', '--dry-run'].includes(process.argv.slice(2).join(' '))
if (!areSettingsRight) {
  log('wrong setting: GAUGE must be set, API must start with https://, RESET_LIMIT must not be above LIMIT,'
    + ' MIN_INTERVAL must be 1 s or more, INTERVAL and TIMEOUT must be more than 0 s,'
    + ' GROUP_IDS must be numbers with commas between them, the only option is --dry-run')
  process.exit(64)
}

// The API rejected a call, so the call had no effect. After any other error that is unknown.
class Rejected extends Error {}

// The signal ends the whole exchange after TIMEOUT. A redirect is an error: it could take the token to another host.
async function request(url, options) {
  const signal = AbortSignal.timeout(timeout * 1000)
  const response = await fetch(url, { ...options, redirect: 'manual', signal })
  return { code: response.status, text: await response.text() }
}

// Gives the names a small first letter, because the API writes both isSuccess and IsSuccess.
const small = (members) => Object.fromEntries(
  Object.entries(members).map(([name, value]) => [name.charAt(0).toLowerCase() + name.slice(1), value]))

const readToken = async () => (await readFile(TOKEN_FILE, 'ascii')).split('\n')[0]

// Reports a token that the API rejected to konexus-tokend. Waits up to 2 s for another one in the file.
async function replace(token) {
  const end = Date.now() + 2000
  const digest = createHash('sha256').update(token).digest('hex')
  createConnection(`${dirname(TOKEN_FILE)}/reject.sock`).on('error', () => { /* No daemon listens. */ }).resume()
    .end(`rejected ${basename(TOKEN_FILE, '.token')} sha256 ${digest}\n`)
  while (await readToken() === token && Date.now() < end) await sleep(50)
}

// Returns the API's response, if it reports success and has the member.
async function call(path, body, member) {
  const post = async (token) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    return request(`${API}/api/v2/alerts${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  }
  const token = await readToken()
  let { code, text } = await post(token)
  if (code === 401) {
    // Once more, with another token if there is one.
    await replace(token)
    ;({ code, text } = await post(await readToken()))
  }
  let response = {}, status = {}
  try {
    response = small(JSON.parse(text))
    status = small(response.status ?? {})
  } catch { /* The text is no envelope. */ }
  const reasons = [status.errorCode, status.errorMessage, response.error].filter(Boolean)
  const why = [`/alerts${path}: HTTP ${code}`, ...reasons].join(' ')
  const failed = status.isSuccess === false || response.hasErrors === true || response.isValid === false
  if ((code >= 400 && code < 500) || (code === 200 && failed)) throw new Rejected(why)
  if (code !== 200 || response[member] == null) throw new Error(`${why} without a usable response`)
  return response
}

// Returns the account's alert form with the text of the alert, after the API has validated it.
async function makeForm({ subject, message }) {
  const { item: form } = await call('/defaults', {}, 'item')
  Object.assign(form.message.basic, { subject, message })
  form.channels.email.send = true
  if (groupIds.length > 0) form.recipients.groupIds = groupIds
  await call('/preview', { settings: form }, 'item')
  return form
}

// Looks for the alert by its subject: the vendor documents no filter for correlationKey.
async function isAccepted(subject) {
  const { items } = await call('/find', { subject, pageSize: 100 }, 'items')
  return items.some((item) => item.message?.basic?.subject === subject)
}

// Sends the unsent alert, unless an attempt whose response was lost has already done so.
async function deliver(state) {
  const alert = state.unsent
  if (alert.mayBeSent && await isAccepted(alert.subject)) {
    log(`alert was accepted before: ${alert.subject}`)
  } else {
    const settings = await makeForm(alert)
    alert.mayBeSent = true
    await attempt('state not saved', save, state)
    try {
      await call('', { settings, jobId: 'flood-watch', correlationKey: alert.subject.slice(0, 100) }, 'alertId')
    } catch (error) {
      if (error instanceof Rejected) alert.mayBeSent = false
      throw error
    }
    log(`alert sent: ${alert.subject}`)
  }
  state.unsent = null
}

async function readLevel() {
  const { code, text } = await request(GAUGE)
  const level = code === 200 ? JSON.parse(text).level : `HTTP ${code}`
  if (!Number.isFinite(level)) throw new Error(`the gauge answers ${String(JSON.stringify(level)).slice(0, 80)}`)
  return level
}

function makeAlert(level) {
  const now = `${new Date().toISOString().slice(0, 19).replace('T', ' ')} UTC`
  const message = `The water level at ${PLACE} is ${level}. The limit is ${limit}. Time: ${now}.`
  return { subject: `Flood warning ${now}: ${PLACE}`, message, mayBeSent: false }
}

// Makes an alert when the level rises above LIMIT, and the next one only after it fell below RESET_LIMIT.
async function observe(state) {
  const level = await readLevel()
  const age = Date.now() / 1000 - state.lastAlert
  if (level < resetLimit) {
    state.isHigh = false
  } else if (level > limit && !state.isHigh && !(age >= 0 && age < minInterval)) {
    if (state.unsent) log(`older alert discarded: ${state.unsent.subject}`)
    Object.assign(state, { isHigh: true, lastAlert: Date.now() / 1000, unsent: makeAlert(level) })
  }
}

async function load(state) {
  Object.assign(state, JSON.parse(await readFile(stateFile, 'utf8')))
}

async function save(state) {
  await writeFile(`${stateFile}.new`, JSON.stringify(state))
  await rename(`${stateFile}.new`, stateFile)
}

async function dryRun() {
  const level = await readLevel()
  await makeForm(makeAlert(level))
  log(`dry run succeeded: the level is ${level}, the API accepts the alert; no alert was sent`)
}

// Runs one step. An error of any kind is logged and must not end the watch.
async function attempt(failure, action, ...values) {
  try {
    await action(...values)
    return true
  } catch (error) {
    log(`${failure}: ${error.cause?.message ?? error.message}`)
    return false
  }
}

if (process.argv.length > 2) process.exit(await attempt('dry run failed', dryRun) ? 0 : 1)
const state = { isHigh: false, lastAlert: 0, unsent: null }
await attempt('no state of a previous run', load, state)
for (;;) {
  await attempt('no reading', observe, state)
  if (state.unsent) await attempt(`alert not sent, next attempt in ${interval} s`, deliver, state)
  await attempt('state not saved', save, state)
  await sleep(interval * 1000)
}

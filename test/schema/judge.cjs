/*
 * test/schema/judge.cjs SCHEMA BASES SEED COUNT: what ajv says of definitions.
 *
 * BASES has one definition a line.  Writes one line a definition: 1 (accepted)
 * or 0, where it comes from, and the definition, separated by tabs: first the
 * bases and the examples of the schema; then COUNT / 4 made from the schema
 * itself, so that every construct occurs; then COUNT mutations of all of them.
 * The same seed gives the same lines.
 */
'use strict';
const fs = require('fs');
const Ajv = require('ajv/dist/2020');

const [schemaFile, basesFile, seedText, countText] = process.argv.slice(2);
const schema = JSON.parse(fs.readFileSync(schemaFile, 'utf8'));
const defs = schema.$defs;
const ajv = new Ajv({strict: false});
if (!ajv.validateSchema(schema)) {
  console.error('not a schema of its dialect: ' + ajv.errorsText());
  process.exit(1);
}
const accepts = ajv.compile(schema);

/* mulberry32 */
let state = Number(seedText) >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = n => Math.floor(random() * n);
const pick = list => list[below(list.length)];
const chance = p => random() < p;
const copy = value => JSON.parse(JSON.stringify(value));

/* ---- made from the schema */

const names = ['a', 'b', 'c', 'done', 'step_1', 'z9'];
const texts = ['x', 'true', 'customer.plan', '1 day', 'Europe/Berlin', '0 9 * * 1', 'signed_up', 'ein \u00e4u\u00dferer Fall'];

function anything() {
  return pick([null, true, 0, 'x', [], {}, [1, 'a'], {a: {b: null}}]);
}

function makeString(s) {
  if (s.pattern === defs.name.pattern) return pick(names);
  if (s.pattern === defs.local_time.pattern) return pick(['00:00', '09:30', '23:59']);
  return pick(texts);
}

function makeArray(s) {
  const n = Math.min(s.maxItems ?? 3, (s.minItems ?? 0) + below(3));
  const items = Array.from({length: n}, () => make(s.items));
  if (!s.uniqueItems) return items;
  return items.filter((v, i) => items.findIndex(w => JSON.stringify(w) === JSON.stringify(v)) === i);
}

function makeObject(s) {
  const wanted = new Set(s.required ?? []);
  const result = {};
  if (s.anyOf) for (const key of pick(s.anyOf).required) wanted.add(key);
  for (const key of Object.keys(s.properties ?? {}))
    if (wanted.has(key) || chance(0.3)) result[key] = make(s.properties[key]);
  if (typeof s.additionalProperties === 'object')
    for (let n = (s.minProperties ?? 0) + below(3); n > 0; n--)
      result[pick(names)] = make(s.additionalProperties);
  return result;
}

function make(s) {
  if (s.examples && chance(0.3)) return copy(pick(s.examples));
  if (s.$ref) return make(defs[s.$ref.replace('#/$defs/', '')]);
  if ('const' in s) return s.const;
  if (s.enum) return pick(s.enum);
  if (s.oneOf) return make(pick(s.oneOf));
  switch (s.type) {
    case 'object': return makeObject(s);
    case 'array': return makeArray(s);
    case 'string': return makeString(s);
    case 'boolean': return chance(0.5);
    case 'integer': return Math.min(s.maximum ?? 9, (s.minimum ?? 0) + below(3));
    case 'number': return Math.min(s.maximum ?? 9, (s.minimum ?? s.exclusiveMinimum ?? 0) + 0.25);
    default: return anything();
  }
}

/* ---- mutations */

/* Every place in a value: the container, the key. */
function places(value, found = []) {
  if (value === null || typeof value !== 'object') return found;
  for (const key of Object.keys(value)) {
    found.push([value, Array.isArray(value) ? Number(key) : key]);
    places(value[key], found);
  }
  return found;
}

const allKeys = [...new Set(Object.values(defs).flatMap(d => Object.keys(d.properties ?? {})).concat(Object.keys(schema.properties)))].sort();
const lengths = [0, 1, 62, 63, 64, 99, 100, 101, 199, 200, 201, 9999, 10000, 10001];
const oddTexts = ['', 'A', '_a', 'a-b', 'a\n', '\na', '$', '$x', ' ', '9a', '24:00', '9:00', '09:00\n', '\u00e9', '\ud83d\ude00', 'next', 'null', '\u2028', '\u202e'];
const numbers = [-1, -0.5, 0, 0.5, 1, 1.5, 2, 9, 9.5, 10, 11, 99, 100, 101, 1000, 1001, 10000, 10001, 1000000, 1000001, 1e9, 1e9 + 1, 1e21, 1e300, -1e300, 5e-324];
const characters = ['a', '\u00e9', '\ud83d\ude00', '9', '$'];

const isArray = Array.isArray;
const isText = v => typeof v === 'string';
const isFull = v => isArray(v) && v.length > 0;

/* Where each may happen, by container and value; and what it does. */
const mutations = [
  [() => true, (c, k) => { isArray(c) ? c.splice(k, 1) : delete c[k]; }],
  [c => !isArray(c), c => { c[pick([...allKeys, 'x', 'Next', ''])] = anything(); }],
  [c => !isArray(c), c => {
    const key = pick(allKeys);
    const d = pick(Object.values(defs).filter(e => e.properties?.[key]));
    if (d) c[key] = make(d.properties[key]);
  }],
  [() => true, (c, k) => { c[k] = anything(); }],
  [() => true, (c, k) => { c[k] = make(pick(Object.values(defs))); }],
  [(c, v) => isText(v), (c, k) => { c[k] = pick(oddTexts); }],
  [(c, v) => isText(v), (c, k) => { c[k] = pick(characters).repeat(pick(lengths)); }],
  [(c, v) => isText(v), (c, k) => { c[k] += pick(oddTexts); }],
  [(c, v) => typeof v === 'number', (c, k) => { c[k] = pick(numbers); }],
  [(c, v) => isFull(v), (c, k) => { c[k].push(copy(pick(c[k]))); }],
  [(c, v) => isFull(v), (c, k) => {
    const first = c[k][0];
    const vary = isText(first) && chance(0.7);
    c[k] = Array.from({length: pick([7, 8, 20, 21, 100, 101, 1001])}, (_, i) => vary ? first + i : copy(first));
  }],
  [(c, v) => v !== null && typeof v === 'object' && ('next' in v || 'exit' in v), (c, k) => {
    const verb = pick(defs.step.oneOf).$ref.replace('#/$defs/step_', '');
    c[k][verb] = make(defs['step_' + verb].properties[verb]);
  }],
  [() => true, (c, k) => { c[k] = [copy(c[k])]; }],
  [() => true, (c, k, all) => {
    const [d, l] = pick(all);
    const v = copy(c[k]);
    c[k] = copy(d[l]);
    d[l] = v;
  }],
  [c => !isArray(c), (c, k) => {
    const v = c[k];
    delete c[k];
    c[pick([k + 'x', k.slice(1), k.toUpperCase(), pick(allKeys)])] = v;
  }],
];

function mutate(base) {
  const value = {root: copy(base)};
  for (let n = 1 + below(3); n > 0; n--) {
    const [applies, apply] = pick(mutations);
    /* Now and then the whole. */
    const inside = chance(0.995) ? places(value.root) : [];
    const all = inside.length ? inside : [[value, 'root']];
    const fit = all.filter(([c, k]) => applies(c, c[k]));
    if (fit.length) apply(...pick(fit), all);
    if (value.root === undefined) value.root = null;
  }
  return value.root;
}

/* ---- all of them */

const seen = [];
function tell(origin, value) {
  const text = JSON.stringify(value);
  seen.push(value);
  process.stdout.write(`${accepts(value) ? 1 : 0}\t${origin}\t${text}\n`);
}

const frame = () => ({journey: 'j', entry: {on: 'x'}, start: 'a', steps: {a: {exit: 'done'}}});
for (const line of fs.readFileSync(basesFile, 'utf8').split('\n').filter(l => l))
  tell('base', JSON.parse(line));
for (const [name, d] of Object.entries(defs))
  for (const example of d.examples ?? []) {
    const value = frame();
    if (name.startsWith('step_')) value.steps.a = example;
    else if (name.startsWith('entry_')) value.entry = example;
    else if (name.startsWith('delay_')) value.steps.a = {delay: example, next: 'a'};
    else if (name.startsWith('until_')) value.steps.a = {wait: {for: [{on: 'x', next: 'a'}], until: example}};
    else if (name.startsWith('wait_')) value.steps.a = {wait: {for: [example]}};
    else if (name === 'goal') value.goal = example;
    else if (name === 'exit_rule') value.exit = [example];
    else if (name === 'reentry' || name === 'caps') value.entry[name] = example;
    else if (name === 'restart_on') value.steps.a = {delay: '1 day', restart_on: example, next: 'a'};
    else if (name === 'window') value.steps.a = {delay: {window: example}, next: 'a'};
    else if (name === 'interval') value.steps.a = {delay: example, next: 'a'};
    else if (name === 'offset' || name === 'local_time') value.steps.a = {delay: {until: 'x', [name === 'offset' ? name : 'at']: example}, next: 'a'};
    else throw new Error(`no place for the examples of ${name}`);
    tell(`example of ${name}`, value);
  }
const count = Number(countText);
for (let i = 0; i < count / 4; i++) tell('made', make(schema));
const bases = seen.slice();
for (let i = 0; i < count; i++) tell('mutation', mutate(pick(bases)));

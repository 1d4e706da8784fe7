(() => {
'use strict';
const PAGE = 100;
const ORDER = ['denied', 'unusable', 'would-deny', 'could-not-tell', 'not-judged', 'allowed', ''];
const TAGS = ['tag-not-signed', 'differs', 'unknown', 'current', ''];
const find = (selector, inside = document) => inside.querySelector(selector);
// Text only ever becomes text.
const make = (name, cls, ...inside) => {
  const made = document.createElement(name);
  if (cls) made.className = cls;
  made.append(...inside.filter((one) => one !== undefined && one !== null && one !== ''));
  return made;
};
const isolated = (text, cls) => make('bdi', cls, text);
const label = (word) => word.replaceAll('-', ' ').replace(/^./, (first) => first.toUpperCase());

document.documentElement.classList.add('js');
document.body.insertBefore(find('#summary'), find('#images'));
const table = find('#table'), body = table.tBodies[0];
const rows = [...body.rows].map((tr, at) => ({
  at, tr, data: tr.nextElementSibling, decision: tr.dataset.decision, drift: tr.dataset.drift,
  age: tr.dataset.age === '' ? null : Number(tr.dataset.age),
}));
body.replaceChildren();
const read = (row) => JSON.parse(row.data.textContent);
// All that stands in a record, for the search: its texts, without the names of its members.
const texts = (value) => typeof value === 'string' ? value
  : value && typeof value === 'object' ? Object.values(value).map(texts).join('\n') : '';
const searched = (row) => row.text ??= texts(read(row)).toLowerCase();

const state = { words: [], decision: new Set(), drift: new Set(), column: null, down: false, page: 0, all: false };
let shown = rows;

function choose() {
  const fits = (row) => (!state.decision.size || state.decision.has(row.decision))
    && (!state.drift.size || state.drift.has(row.drift)) && state.words.every((word) => searched(row).includes(word));
  shown = rows.filter(fits);
  if (state.column) {
    const by = state.column.key, sign = state.down ? -1 : 1;
    shown.sort((a, b) => {
      const [x, y] = [by(a), by(b)];
      // What is not known comes last, either way.
      if (x === null || y === null) return (x === null) - (y === null) || a.at - b.at;
      return (x < y ? -sign : x > y ? sign : 0) || a.at - b.at;
    });
  }
  state.page = 0;
  draw();
}

function draw() {
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  const from = state.all ? 0 : state.page * PAGE;
  const part = state.all ? shown : shown.slice(from, from + PAGE);
  body.replaceChildren(...part.flatMap((row) => row.detail ? [openable(row), row.detail] : [openable(row)]));
  const filtered = state.words.length || state.decision.size || state.drift.size;
  count.textContent = filtered ? `${shown.length} of ${rows.length} shown` : `${rows.length} in all`;
  clear.hidden = !filtered;
  if (rows.length) {
    nothing.hidden = shown.length > 0;
    nothing.textContent = 'Nothing here matches. Fewer words or filters show more.';
  }
  table.parentElement.hidden = shown.length === 0;
  pager.hidden = pages < 2 || state.all;
  [previous.disabled, next.disabled] = [state.page === 0, state.page >= pages - 1];
  place.textContent = `${from + 1} to ${from + part.length} of ${shown.length}`;
}

function openable(row) {
  if (!row.button) {
    const name = row.tr.querySelector('.ref').textContent.slice(0, 200);
    row.button = make('button', 'open');
    row.button.type = 'button';
    row.button.setAttribute('aria-label', `Details of ${name}`);
    row.button.setAttribute('aria-expanded', 'false');
    row.button.append(arrow());
    row.button.addEventListener('click', () => toggle(row));
    row.tr.cells[0].append(row.button);
  }
  return row.tr;
}

function arrow() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  svg.setAttribute('viewBox', '0 0 14 14');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', 'M5 2l5 5-5 5');
  for (const [name, value] of [['fill', 'none'], ['stroke', 'currentColor'], ['stroke-width', '2'], ['stroke-linecap', 'round'], ['stroke-linejoin', 'round']]) path.setAttribute(name, value);
  svg.append(path);
  return svg;
}

function toggle(row) {
  if (row.detail) {
    row.detail.remove();
    row.detail = null;
  } else {
    const cell = make('td', '', details(read(row)));
    cell.colSpan = table.tHead.rows[0].cells.length;
    row.detail = make('tr', 'detail', cell);
    row.detail.id = `detail-${row.at}`;
    row.tr.after(row.detail);
    row.button.setAttribute('aria-controls', row.detail.id);
  }
  row.button.setAttribute('aria-expanded', String(!!row.detail));
}

function copyable(text) {
  const button = make('button', 'copy', 'Copy');
  button.type = 'button';
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      const range = document.createRange();
      range.selectNodeContents(button.previousSibling);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = 'Selected';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
  return button;
}

const digest = (text) => text ? make('span', '', make('code', 'digest', text), copyable(text)) : undefined;
const part = (title, cls, ...inside) => make('section', cls, make('h3', '', title), ...inside);
const list = (cls, items) => make('ul', cls, ...items.map((item) => make('li', '', item)));
const told = (one) => make('span', '', make('code', 'id', one.id), ' ', isolated(one.message));
const none = (text) => make('p', 'none', text);
const badge = (word) => make('span', `badge ${word}`, label(word));

function facts(pairs) {
  const dl = make('dl');
  for (const [name, value] of pairs) if (value) dl.append(make('dt', '', name), make('dd', '', value));
  return dl;
}

function details(record) {
  const parts = make('div', 'parts');
  if (record.problem) {
    parts.append(part('Entry', '', facts([['Where', isolated(record.at)], ['What', isolated(record.text)], ['Problem', isolated(record.problem)]])));
    return parts;
  }
  const from = { running: 'whoever runs it', asked: 'the input', 'signed-tag': 'the signed map of tags', 'registry-tag': 'the registry, unsigned' };
  const drift = record.drift || {};
  parts.append(part('Image', 'wide', facts([
    ['Name', isolated(record.reference)], ['Digest', digest(record.digest)], ['Named by', from[record.digestFrom]],
    ['Index', digest(record.index)], ['Tag means now', digest(drift.now)], ['Tag', drift.why ? isolated(drift.why) : undefined],
    ['Tag read from', drift.basis === 'signed' ? 'the signed map of tags' : drift.basis ? 'the registry, unsigned' : undefined],
    ['Scope', record.scope ? isolated(record.scope) : 'none matches'], ['Mode', record.mode],
    ['Signed', record.signed ? `${record.signed.at}, ${record.signed.witnessed ? 'witnessed by a log or a timestamp authority' : 'by the signer\u2019s own word'}` : undefined],
  ])));
  parts.append(part('Why', '', record.reasons.length ? list('', record.reasons.map(told)) : none('Nothing speaks against it.')));
  parts.append(part('Signers', '', record.signers.length ? list('', record.signers.map(signer)) : none('No signature holds.')));
  parts.append(part('Checked', '', record.checked.length ? list('tick', record.checked.map((one) => isolated(one))) : none('Nothing.')));
  parts.append(part('Not checked', '', record.notChecked.length ? list('miss', record.notChecked.map((one) => isolated(one))) : none('Nothing more is known to be missing.')));
  if (record.gaps.length) parts.append(part('Not known, or weaker than it looks', 'wide', list('miss', record.gaps.map(told))));
  parts.append(part('Chain', 'wide', record.chain && record.chain.hops.length ? chain(record.chain.hops) : none('It was not followed.')));
  if (record.placeCount) parts.append(part(`Runs in ${record.placeCount} place${record.placeCount === 1 ? '' : 's'}`, 'wide', places(record)));
  return parts;
}

function signer(one) {
  const as = one.authority ? isolated(one.authority) : make('span', 'none', 'not counted by the policy');
  return make('span', '', isolated(one.principal), make('span', 'soft', ' (', as, '; ', isolated(one.what), ')'));
}

function places(record) {
  const name = (one) => [one.namespace, one.pod, one.container].filter(Boolean).join(' / ') || 'unnamed';
  const items = record.places.slice(0, 50).map((one) => make('span', '', isolated(name(one)), one.role === 'container' ? '' : make('span', 'soft', ` ${one.role}`)));
  if (record.placeCount > items.length) items.push(make('span', 'soft', `and ${record.placeCount - items.length} more`));
  return list('', items);
}

// What a document says of a build, and who says it: no more than that is known.
function said(build) {
  const by = make('p', build.counts ? 'soft' : 'soft claimed', 'built by ', build.builder ? isolated(build.builder) : 'nobody that is named');
  for (const source of build.sources) {
    by.append(' from ', isolated(source.uri), source.reference ? make('span', '', ' at ', isolated(source.reference)) : '', source.byBuilder ? '' : ', as the builder\u2019s client said');
  }
  by.append(build.covered ? `; nobody signed that, it lies in a signed ${build.covered}, by ` : '; said by ', isolated(build.signedBy));
  if (!build.counts) by.append('; does not answer the policy');
  return by;
}

const ledBy = (builds) => builds.every((build) => build?.covered) ? 'by provenance that nobody signed, in a signed index' : 'by signed provenance';

// Boxes in boxes: from an image to what it was built from. Solid lines are provenance that counts, dashed ones claims.
function chain(hops) {
  const seen = new Set();
  const box = (at, link, from) => {
    const hop = hops[at], li = make('li', link && link.by === 'claim' ? 'claimed' : '');
    const hopBox = make('div', `hop ${hop.judged.verdict}`, badge(hop.judged.verdict), make('p', '', isolated(hop.reference, 'ref')));
    if (hop.digest) hopBox.append(make('p', '', make('code', 'digest', short(hop.digest)), copyable(hop.digest)));
    li.append(hopBox);
    if (link) hopBox.append(make('p', 'soft', link.by === 'claim' ? 'a claim, which nobody signed' : hop.proven ? ledBy(link.builds.map((build) => from.builds[build])) : 'by provenance, behind a claim'));
    if (seen.has(at)) {
      hopBox.append(make('p', 'soft', link && link.cycle ? 'leads back to where it came from' : 'shown above'));
      return li;
    }
    seen.add(at);
    hopBox.append(...hop.builds.map(said));
    for (const reason of hop.judged.reasons) hopBox.append(make('p', '', told(reason)));
    for (const one of hop.contradictions) hopBox.append(make('p', '', told(one)));
    const below = hop.children.map((child) => box(child.to, { ...(typeof child.reached === 'string' ? { by: child.reached } : child.reached), cycle: child.cycle }, hop));
    for (const gap of hop.gaps) below.push(make('li', 'claimed', make('div', 'hop gap', make('b', '', 'Gap '), told(gap))));
    if (below.length) li.append(make('ol', '', ...below));
    return li;
  };
  return make('ol', 'chain', box(0));
}

const short = (text) => text.length > 26 ? `${text.slice(0, 19)}\u2026` : text;

// Filters: the legends become switches.
for (const legend of document.querySelectorAll('.legend')) {
  const chosen = state[legend.dataset.filter];
  for (const item of legend.children) {
    const button = make('button', item.dataset.word, ...item.childNodes);
    button.type = 'button';
    button.setAttribute('aria-pressed', 'false');
    button.addEventListener('click', () => {
      const word = item.dataset.word;
      if (!chosen.delete(word)) chosen.add(word);
      button.setAttribute('aria-pressed', String(chosen.has(word)));
      choose();
    });
    item.append(button);
  }
}

// Columns that can be sorted by.
const text = (cell) => (row) => row.tr.cells[cell].textContent.trim().toLowerCase() || null;
const keys = [null, (row) => ORDER.indexOf(row.decision), text(2), (row) => TAGS.indexOf(row.drift), (row) => row.age, text(5), text(6)];
[...table.tHead.rows[0].cells].forEach((th, at) => {
  if (!keys[at]) return;
  const button = make('button', '', ...th.childNodes);
  button.type = 'button';
  const column = { th, key: keys[at] };
  button.addEventListener('click', () => {
    const again = state.column && state.column.th === th;
    if (state.column) state.column.th.removeAttribute('aria-sort');
    if (again && state.down) {
      [state.column, state.down] = [null, false];
    } else {
      [state.column, state.down] = [column, again];
      th.setAttribute('aria-sort', state.down ? 'descending' : 'ascending');
    }
    choose();
  });
  th.append(button);
});

// Search, counts, pages.
const tools = find('#tools'), pager = find('#pages'), nothing = find('#nothing');
const search = make('input');
search.type = 'search';
search.placeholder = 'Search images, digests, signers, places, reasons';
search.setAttribute('aria-label', 'Search');
const count = make('output');
const plain = (words, act) => {
  const button = make('button', 'plainbutton', words);
  button.type = 'button';
  button.addEventListener('click', act);
  return button;
};
const clear = plain('Show all', () => {
  search.value = '';
  state.words = [];
  state.decision.clear();
  state.drift.clear();
  for (const pressed of document.querySelectorAll('[aria-pressed=true]')) pressed.setAttribute('aria-pressed', 'false');
  choose();
});
let waiting;
search.addEventListener('input', () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    state.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    choose();
  }, 120);
});
tools.append(search, clear, count);
tools.hidden = rows.length === 0;
const turn = (by) => () => {
  state.page += by;
  draw();
  find('#images').scrollIntoView();
};
const previous = plain('Previous', turn(-1)), next = plain('Next', turn(1)), place = make('span');
pager.append(previous, place, next);
addEventListener('keydown', (event) => {
  if (event.key === '/' && event.target !== search && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
  }
});
const paper = (all) => () => {
  state.all = all;
  draw();
};
addEventListener('beforeprint', paper(true));
addEventListener('afterprint', paper(false));
for (const code of document.querySelectorAll('[data-copy]')) code.after(copyable(code.dataset.copy));
choose();
})();

// Opens the HTML report of an audit in a real Chromium, for the tests of interoperability:
//   report.cjs REPORT.html EXPECTED.json [FOLDER for pictures]
// Its modules are found by NODE_PATH, Chromium by PATH. Anything that is not as expected ends it with a message.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');
const { chromium } = require('playwright-core');

const [report, expectedFile, pictures] = process.argv.slice(2);
const expected = JSON.parse(fs.readFileSync(expectedFile, 'utf8'));
const url = pathToFileURL(path.resolve(report)).href;
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

async function open(browser, options) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) wrong.push(message.text()); });
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('request', (request) => { if (request.url() !== url) wrong.push(`request: ${request.url()}`); });
  page.on('dialog', (dialog) => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  const start = Date.now();
  await page.goto(url, { waitUntil: 'load' });
  return { page, wrong, context, took: Date.now() - start };
}

const visible = (page) => page.locator('#table tbody > tr:not(.detail)').count();

// The chain of an opened image: its boxes, and who says what of each build.
async function chain(page) {
  assert.equal(await page.locator('.detail .hop:not(.gap)').count(), expected.boxes);
  assert.equal(await page.locator('.detail .gap').count(), expected.gaps);
  assert.equal(await page.locator('.detail p.claimed').count(), expected.uncounted);
  const text = await page.locator('.detail .chain').textContent();
  for (const said of expected.said) assert.ok(text.includes(said), `${said}: ${text}`);
}

async function audited({ page, wrong }) {
  await page.locator('.open').first().click();
  await chain(page);
  assert.deepEqual(wrong, []);
}

async function drive({ page, wrong }) {
  const { rows, needle, denied, differs } = expected;
  const pageful = Math.min(rows, 100);
  assert.equal(await visible(page), pageful);
  assert.match(await page.locator('#tools output').textContent(), new RegExp(`^${rows} in all$`));
  assert.ok(await page.locator('.cut').isHidden());

  // Search: by the keyboard alone.
  await page.keyboard.press('/');
  await page.keyboard.type(needle);
  await page.waitForFunction(() => document.querySelectorAll('#table tbody > tr').length === 1);
  assert.match(await page.locator('#tools output').textContent(), /^1 of /);
  await page.getByRole('searchbox').fill('no such image anywhere');
  await page.locator('#nothing').waitFor({ state: 'visible' });
  await page.getByRole('button', { name: 'Show all' }).click();
  assert.equal(await visible(page), pageful);

  // Filter: one decision, then one state of the tag within it.
  await page.getByRole('button', { name: /^Denied/ }).click();
  assert.match(await page.locator('#tools output').textContent(), new RegExp(`^${denied} of `));
  assert.equal(await page.locator('#table tbody .badge:not(.denied)').count(), 0);
  await page.getByRole('button', { name: /^Differs/ }).click();
  assert.match(await page.locator('#tools output').textContent(), new RegExp(`^${differs} of `));
  await page.getByRole('button', { name: 'Show all' }).click();

  // Sort: by name both ways, then by age, where what is unknown comes last.
  const names = () => page.locator('#table tbody .ref').allTextContents();
  const header = page.locator('thead button', { hasText: 'Image' });
  await header.click();
  const up = await names();
  const sorted = (list) => list.every((name, at) => at === 0 || list[at - 1].toLowerCase() <= name.toLowerCase());
  assert.ok(sorted(up), 'ascending');
  assert.equal(await page.locator('th[aria-sort=ascending]').count(), 1);
  await header.click();
  assert.ok(sorted((await names()).reverse()), 'descending');
  assert.equal(await page.locator('th[aria-sort=descending]').count(), 1);
  await page.locator('thead button', { hasText: 'Signed' }).click();
  const ages = (await page.locator('#table tbody > tr').evaluateAll((all) => all.map((tr) => tr.dataset.age))).filter(Boolean).map(Number);
  assert.ok(ages.every((age, at) => at === 0 || ages[at - 1] <= age), 'ages');
  await page.locator('thead button', { hasText: 'Signed' }).click();
  await page.locator('thead button', { hasText: 'Signed' }).click();

  // Expand a chain: boxes in boxes, with what is a claim and what is missing.
  await page.getByRole('searchbox').fill(expected.chained);
  await page.waitForFunction(() => document.querySelectorAll('#table tbody > tr').length === 1);
  await page.locator('.open').focus();
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('.open').getAttribute('aria-expanded'), 'true');
  await chain(page);
  assert.ok(await page.locator('.detail li.claimed').count() > 0);
  for (const title of ['Why', 'Signers', 'Checked', 'Not checked', 'Chain']) {
    assert.ok(await page.locator('.detail h3', { hasText: title }).first().isVisible(), title);
  }
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('.detail').count(), 0);
  await page.keyboard.press('Enter');

  // Hostile words are words.
  await page.getByRole('searchbox').fill('');
  await page.getByRole('button', { name: 'Show all' }).waitFor({ state: 'hidden' });
  await page.getByRole('searchbox').fill(expected.hostile);
  await page.locator('.open').first().waitFor();
  for (let at = 0; at < await page.locator('.open[aria-expanded=false]').count();) await page.locator('.open[aria-expanded=false]').first().click();
  const found = await page.evaluate(() => ({
    pwned: 'pwned' in window, images: document.images.length, frames: document.querySelectorAll('iframe,object,embed,link,base').length,
    scripts: document.querySelectorAll('script:not([type])').length, links: [...document.links].map((link) => link.getAttribute('href')),
    bidi: /[\u202a-\u202e\u2066-\u2069]/.test(document.body.textContent), wide: document.documentElement.scrollWidth > innerWidth,
    handlers: document.querySelectorAll('[onerror],[onload],[onclick],[style]').length,
  }));
  assert.deepEqual(found, { pwned: false, images: 0, frames: 0, scripts: 1, links: ['#images'], bidi: false, wide: false, handlers: 0 });
  await page.getByRole('searchbox').fill('');
  assert.deepEqual(wrong, []);
}

// Every text against what lies behind it, as WCAG 2 counts it.
const contrast = () => {
  const parse = (color) => {
    const canvas = parse.canvas ??= new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const light = (color) => color.slice(0, 3).map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const bad = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest('.quiet,.skip,script,:disabled')) continue;
    const ground = behind(element), ink = over(parse(getComputedStyle(element).color), ground);
    const [high, low] = [light(ink), light(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) bad.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(bad)];
};

async function looks(browser) {
  for (const colorScheme of ['light', 'dark']) {
    const { page, wrong, context } = await open(browser, { colorScheme });
    await page.getByRole('searchbox').fill(expected.chained);
    await page.waitForFunction(() => document.querySelectorAll('#table tbody > tr').length === 1);
    await page.locator('.open').click();
    assert.deepEqual(await page.evaluate(contrast), [], colorScheme);
    if (pictures) await page.screenshot({ path: path.join(pictures, `${colorScheme}-open.png`), fullPage: true });
    await page.getByRole('searchbox').fill('');
    await page.waitForFunction(() => document.querySelectorAll('#table tbody > tr').length > 1);
    assert.deepEqual(await page.evaluate(contrast), [], colorScheme);
    if (pictures) await page.screenshot({ path: path.join(pictures, `${colorScheme}.png`) });
    assert.deepEqual(wrong, []);
    await context.close();
  }
  const narrow = await open(browser, { viewport: { width: 390, height: 844 } });
  await narrow.page.locator('.open').first().click();
  assert.ok(await narrow.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'narrow');
  if (pictures) await narrow.page.screenshot({ path: path.join(pictures, 'narrow.png') , fullPage: false });
  if (pictures) {
    await narrow.page.locator('#table').scrollIntoViewIfNeeded();
    await narrow.page.locator('#tools').evaluate((tools) => tools.scrollIntoView());
    await narrow.page.screenshot({ path: path.join(pictures, 'narrow-table.png') });
  }
  await narrow.context.close();
}

// On paper all rows stand, and no control.
async function prints(browser) {
  const { page, context } = await open(browser, {});
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  await page.emulateMedia({ media: 'print' });
  assert.equal(await visible(page), expected.rows);
  assert.ok(await page.locator('#tools').isHidden());
  if (pictures) await page.screenshot({ path: path.join(pictures, 'print.png'), clip: { x: 0, y: 0, width: 1360, height: 1500 }, fullPage: true });
  if (pictures) fs.writeFileSync(path.join(pictures, 'print.pdf'), await page.pdf({ format: 'A4', landscape: true, pageRanges: '1-3' }));
  await context.close();
}

// Without scripts there is a plain table, with all rows and the totals.
async function plain(browser) {
  const { page, wrong, context } = await open(browser, { javaScriptEnabled: false });
  assert.equal(await visible(page), expected.rows);
  assert.ok(await page.locator('#summary .legend').first().isVisible());
  assert.ok(await page.locator('#tools').isHidden());
  if (pictures) await page.screenshot({ path: path.join(pictures, 'plain.png') });
  assert.deepEqual(wrong, []);
  await context.close();
}

(async () => {
  const server = await chromium.launch({ executablePath: process.env.PATH.split(':').map((folder) => path.join(folder, 'chromium')).find((file) => fs.existsSync(file)), args: FLAGS, headless: true, chromiumSandbox: false });
  try {
    const first = await open(server, {});
    if (expected.audited) {
      await audited(first);
    } else if (expected.large) {
      assert.equal(await visible(first.page), 100);
      const took = await first.page.evaluate((needle) => new Promise((done) => {
        const search = document.querySelector('input[type=search]'), from = performance.now();
        new MutationObserver(() => done(performance.now() - from)).observe(document.querySelector('#table tbody'), { childList: true });
        search.value = needle;
        search.dispatchEvent(new Event('input'));
      }), expected.needle);
      assert.deepEqual(first.wrong, []);
      console.log(`${expected.rows} rows: open ${first.took} ms, first search ${Math.round(took)} ms`);
    } else {
      await drive(first);
      await looks(server);
      await prints(server);
      await plain(server);
    }
  } finally {
    await server.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});

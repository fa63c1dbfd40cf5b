// Opens pages and reports faults. Arguments: browser, directory for screenshots, pages.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const [executablePath, folder, ...pages] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const views = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  narrow: { colorScheme: 'light', viewport: { width: 390, height: 844 } },
};
const wrong = [];
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update'],
});

async function look(file, name, view) {
  const say = (what) => wrong.push(`${basename(file)}, ${name}: ${what}`);
  // bypassCSP: axe is injected after the other checks
  const context = await browser.newContext({ ...view, bypassCSP: true });
  const page = await context.newPage();
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && say(`console: ${message.text()}`));
  page.on('pageerror', (error) => say(`error: ${error}`));
  page.on('dialog', (dialog) => { say('opens a dialog'); dialog.dismiss(); });
  page.on('request', (request) => request.url() !== `file://${file}` && say(`requests ${request.url()}`));
  await page.goto(`file://${file}`);
  for (const summary of await page.locator('main > section > details > summary').all()) await summary.click();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) say(`${wide} pixels wider than the window`);
  // Tab reaches every element that opens or scrolls
  const wanted = await page.locator('summary, .scroll, pre').evaluateAll((all) => all.filter((one) => one.checkVisibility()).length);
  await page.evaluate(() => { document.activeElement?.blur(); window.scrollTo(0, 0); });
  const reached = new Set();
  for (let key = 0; key < wanted + 5; key += 1) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate(() => {
      const all = [...document.querySelectorAll('summary, .scroll, pre')];
      return all.indexOf(document.activeElement);
    }));
  }
  reached.delete(-1);
  if (reached.size !== wanted) say(`${reached.size} of ${wanted} elements can be reached by keyboard`);
  await page.screenshot({ path: `${folder}/${basename(file, '.html')}-${name}.png`, fullPage: true });
  await page.addScriptTag({ content: axe });
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  for (const { id, help, nodes } of violations) say(`${id}: ${help} (${nodes.length}): ${nodes[0].html.slice(0, 120)}`);
  await context.close();
}

for (const file of pages) for (const [name, view] of Object.entries(views)) await look(file, name, view);
await browser.close();
for (const line of wrong.slice(0, 20)) console.log(line);
console.log(`${pages.length} pages, each light, dark and narrow: ${wrong.length} faults`);
process.exit(wrong.length > 0 ? 1 : 0);

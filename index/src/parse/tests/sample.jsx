import React, { useState as state } from 'react';
import * as disk from './disk';
export { open as openDisk } from './disk';
const { read, write } = require('fs');

/** The most. */
export const LIMIT = 3;
let counter = 0;

/**
 * Keeps the orders.
 */
export default class Ledger extends Book {
  static shared = new Ledger();
  #entries = [];
  get size() { return this.#entries.length; }
  async add(entry) {
    const local = 1;
    this.#push(entry);
    return disk.write(entry).then(Entry.weigh);
  }
  #push(entry) {}
  handle = () => {};
}

const Shape = class extends Base {};
const handler = async (event) => { const local = 1; };
function* walk() { yield* other(); }
const routes = {
  index(request) { return render(request); },
  show: (request) => {},
  limit: 3,
};
Ledger.prototype.close = function () {};
module.exports.make = function () {};
exports.version = '1';
module.exports = { handler, walk };
app.get('/', function home(req, res) {});
const View = () => <Panel onClick={handler}><Acme.Item /></Panel>;

describe('Ledger', () => {
  const local = 1;
  it('adds', async () => { expect(1).toBe(1); });
  test.each([1])('skips', () => {});
});

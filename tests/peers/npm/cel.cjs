// cel EXPRESSION VARIABLES: what the expression is for each set of variables of a list in JSON, by Buf's implementation.
// Its modules are found by NODE_PATH.
'use strict';
const { celEnv, parse, plan } = require('@bufbuild/cel');

const [expression, variables] = process.argv.slice(2);
const evaluate = plan(celEnv(), parse(expression));
const results = JSON.parse(variables).map((set) => evaluate(set));
const odd = results.find((result) => typeof result !== 'boolean');
if (odd !== undefined) {
  console.error(String(odd));
  process.exit(1);
}
console.log(JSON.stringify(results));

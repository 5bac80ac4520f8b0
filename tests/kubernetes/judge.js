// Judges Kubernetes objects by Kubernetes' own schemas: a JSON list of objects on standard input, a
// JSON list of their mistakes, a list of texts for each, on standard output.
//
// The schemas come compiled, in the package kubernetes-models, and like Kubernetes' own they let members
// pass that they do not know. They look at every member they do know, though: one that nobody looked at
// is a mistake.
'use strict';
const fs = require('fs');

// A view of a value that reports the path of every member that is there and that somebody reads.
function watched(value, path, read) {
  if (value === null || typeof value !== 'object') return value;
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return target[key];
      read.add(`${path}/${key}`);
      return watched(target[key], `${path}/${key}`, read);
    },
  });
}

// The paths of the members that nobody has read, with all those within them left out.
function* unread(value, path, read) {
  if (value === null || typeof value !== 'object') return;
  for (const [key, member] of Object.entries(value)) {
    const here = `${path}/${key}`;
    if (read.has(here)) yield* unread(member, here, read);
    else yield `${here}: no schema knows it`;
  }
}

function judge(object) {
  const kind = require(`kubernetes-models/${object.apiVersion}/${object.kind}`)[object.kind];
  const read = new Set();
  try {
    kind.prototype.validate.call(watched(object, '', read));
  } catch (error) {
    return [error.message];
  }
  return [...unread(object, '', read)];
}

console.log(JSON.stringify(JSON.parse(fs.readFileSync(0)).map(judge)));

// npm's Sigstore client as a command, for the tests of interoperability:
//   client.cjs sign|attest SIGNING_CONFIG TOKEN BUNDLE FILE [PAYLOAD_TYPE]
//   client.cjs verify TRUSTED_ROOT BUNDLE IDENTITY ISSUER [FILE]
// Its modules are found by NODE_PATH.
'use strict';
const fs = require('fs');
const { SigningConfig, TrustedRoot } = require('@sigstore/protobuf-specs');
const { bundleFromJSON, bundleToJSON } = require('@sigstore/bundle');
const { bundleBuilderFromSigningConfig } = require('@sigstore/sign');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

const json = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));

async function sign(bundleType, config, token, out, file, type) {
  const builder = bundleBuilderFromSigningConfig({
    signingConfig: SigningConfig.fromJSON(json(config)),
    identityProvider: { getToken: async () => fs.readFileSync(token, 'utf8').trim() },
    bundleType,
    fetchOptions: { timeout: 10000, retry: false },
  });
  const bundle = await builder.create({ data: fs.readFileSync(file), type });
  fs.writeFileSync(out, JSON.stringify(bundleToJSON(bundle)));
}

function verify(root, bundleFile, identity, issuer, file) {
  const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(json(root))));
  const bundle = bundleFromJSON(json(bundleFile));
  const entity = toSignedEntity(bundle, file ? fs.readFileSync(file) : undefined);
  // The policy's identity is a regular expression.
  const exact = `^${identity.replace(/[^A-Za-z0-9]/g, '\\$&')}$`;
  verifier.verify(entity, { subjectAlternativeName: exact, extensions: { issuer } });
}

const [verb, ...rest] = process.argv.slice(2);
const verbs = {
  sign: () => sign('messageSignature', ...rest),
  attest: () => sign('dsseEnvelope', ...rest),
  verify: async () => verify(...rest),
};
verbs[verb]().catch((e) => {
  console.error(e.cause ? `${e.message}: ${e.cause.message || e.cause}` : e.message);
  process.exit(1);
});

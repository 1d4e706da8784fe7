// Whether files are SARIF 2.1.0, by the schema that @microsoft/jest-sarif ships; one line an error.
const Ajv = require("ajv");
const fs = require("fs");
const schema = require("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");

const ajv = new Ajv({ allErrors: true, schemaId: "auto", unknownFormats: "ignore" });
ajv.addMetaSchema(require("ajv/lib/refs/json-schema-draft-04.json"));
const validate = ajv.compile(schema);
let code = 0;
for (const file of process.argv.slice(2)) {
  if (!validate(JSON.parse(fs.readFileSync(file, "utf8")))) {
    code = 1;
    validate.errors.forEach((error) => console.log(`${file}: ${error.dataPath} ${error.message}`));
  }
}
process.exit(code);

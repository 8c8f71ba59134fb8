// From the OpenAPI document to what is shown: operations, schemas as rows, examples and snippets. No page in here.
const METHODS = ["get", "post", "patch", "put", "delete"];

export function operations(page) {
  return Object.entries(page.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({ path, method, ...methods[method] })));
}

export function follow(page, schema) {
  return schema?.$ref ? schema.$ref.split("/").slice(1).reduce((place, step) => place[step], page) : (schema ?? {});
}

/** A schema in one line, such as "integer 1…", "Payment", "a | b …". */
export function kind(page, schema, open) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return several.map((one) => kind(page, one, open)).join(" | ");
  const words = schema.enum ?? schema["x-extensible-enum"];
  if (words) return words.join(" | ") + (schema.enum ? "" : ` … (${open})`);
  if (schema.type === "array") return `[${kind(page, schema.items, open)}]`;
  const bounds = [schema.minimum ?? schema.minLength, schema.maximum ?? schema.maxLength];
  const range = bounds.some((one) => one !== undefined) ? ` ${bounds[0] ?? ""}…${bounds[1] ?? ""}` : "";
  return `${schema.type ?? "any"}${schema.format ? ` (${schema.format})` : ""}${range}`;
}

/** The members of a schema as rows, the members of members indented; a schema that stands in itself is not opened again. */
export function rows(page, schema, open, depth = 0, above = []) {
  const name = schema?.$ref ?? "";
  const inner = follow(page, schema);
  if (above.includes(name) || depth > 3) return [];
  const path = name ? [...above, name] : above;
  if (inner.type === "array") return rows(page, inner.items, open, depth, path);
  const several = inner.anyOf ?? inner.oneOf;
  if (several) return several.flatMap((one) => rows(page, one, open, depth, path));
  return Object.entries(inner.properties ?? {}).flatMap(([member, shape]) => [
    { name: member, depth, kind: kind(page, shape, open), needed: (inner.required ?? []).includes(member), says: shape.description ?? "" },
    ...rows(page, shape, open, depth + 1, path),
  ]);
}

const KNOWN = {
  amount: 1250, merchant_order_no: "A-1", till: "till_…", store: "sto_…", payment: "pay_…", code: "28…", subject: "收款", wait_s: 5, name: "1号", url: "https://shop.example/hook",
  from: "2026-12-01T00:00:00Z", to: "2026-12-01T01:00:00Z", place: "channel", place_name: "alipay", scopes: ["payments:read"], channel: "alipay", no_tail: "8841", goods_handed_over: true, by: "till", seconds: 60, type: "speaker", command: "self_test",
};

/** A small body that shows what is needed. */
export function sample(page, schema, name = "") {
  const inner = follow(page, schema);
  if (inner.const !== undefined) return inner.const;
  const words = inner.enum ?? inner["x-extensible-enum"];
  if (words) return words[0];
  const several = inner.anyOf ?? inner.oneOf;
  if (several) return sample(page, several[0], name);
  if (inner.properties) {
    const needed = Object.entries(inner.properties).filter(([member]) => (inner.required ?? []).includes(member));
    return Object.fromEntries(needed.map(([member, shape]) => [member, sample(page, shape, member)]));
  }
  if (KNOWN[name] !== undefined) return KNOWN[name];
  if (inner.type === "array") return [];
  return { string: "…", integer: 1, number: 1, boolean: true, object: {} }[inner.type] ?? null;
}

export const bodyOf = (operation) => operation.requestBody?.content["application/json"].schema;
export const movesMoney = (operation) => operation.parameters.some((one) => one.name === "Idempotency-Key");

/** The name of the door in the TypeScript client. */
export function camel(operationId) {
  const [head, ...rest] = operationId.replace("_v1_", "_").split("_");
  return head + rest.filter(Boolean).map((part) => part[0].toUpperCase() + part.slice(1)).join("");
}

export function snippets(page, operation, origin) {
  const schema = bodyOf(operation);
  const body = schema ? JSON.stringify(sample(page, schema)) : "";
  const money = movesMoney(operation);
  const given = operation.parameters.filter((one) => one.in === "path").map(() => '"…"');
  const curl = [`curl -s ${operation.method === "get" ? "" : `-X ${operation.method.toUpperCase()} `}'${origin}${operation.path}'`];
  if (!operation.security) curl.push(`-H "Authorization: Bearer $DAOZHANG_API_KEY"`);
  if (money) curl.push(`-H "Idempotency-Key: $(uuidgen)"`);
  if (body) curl.push("-H 'Content-Type: application/json'", `-d '${body}'`);
  const told = { curl: curl.join(" \\\n  ") };
  const bytes = operation.responses?.["200"]?.content?.["application/octet-stream"];
  const stream = bytes || operation.path.endsWith("/stream") || !operation.path.startsWith("/v1/");
  const python = [`"${operation.method.toUpperCase()}"`, `"${operation.path}"`, ...(body ? [pythonOf(body)] : []), ...(money ? ['key="…"'] : [])];
  if (!stream) told.Python = `shop.call(${python.join(", ")})`;
  if (!stream) told.TypeScript = `await shop.${camel(operation.operationId)}(${[...given, ...(body ? [body] : [])].join(", ")});`;
  return told;
}

const pythonOf = (json) => json.replace(/\btrue\b/g, "True").replace(/\bfalse\b/g, "False").replace(/\bnull\b/g, "None");

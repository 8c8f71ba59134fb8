// The control door. The token came behind # in the address; it stays in this tab and is sent to this host only.
let token = "";

export class Refused extends Error {
  constructor(status, told) {
    super(told?.detail ?? String(status));
    this.status = status;
    this.words = told?.next_step;
  }
}

export function take(given) {
  token = given.trim();
  sessionStorage.setItem("token", token);
}

/** The token from the address (taken out of it at once) or from this tab; false when there is none. */
export function remembered() {
  const given = decodeURIComponent(location.hash.slice(1));
  if (given) history.replaceState(null, "", location.pathname + location.search);
  take(given || (sessionStorage.getItem("token") ?? ""));
  return token !== "";
}

export async function ask(method, path, body) {
  const how = { method, headers: { Authorization: `Bearer ${token}` } };
  if (body !== undefined) how.body = JSON.stringify(body);
  const reply = await fetch(path, how);
  const told = await reply.json();
  if (!reply.ok) throw new Refused(reply.status, told);
  return told;
}

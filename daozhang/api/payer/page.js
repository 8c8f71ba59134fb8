// Looks again by itself until nothing more is to come. The page is whole without this.
const SOON_MS = 3000;
const LATER_MS = 20000;
const SOON_LOOKS = 60; // about three minutes, then at leisure
const ends = () => document.querySelector("#state")?.dataset.ends !== "0";

/** Each marked part as it is in the new page; the part itself stays, so that a screen reader hears what changed and only that. */
function renew(page) {
  for (const now of document.querySelectorAll("[data-live]")) {
    const next = page.getElementById(now.id);
    if (!next || now.outerHTML === next.outerHTML) continue;
    now.hidden = next.hidden;
    for (const name of Object.keys(next.dataset)) now.dataset[name] = next.dataset[name];
    now.replaceChildren(...next.childNodes);
  }
}

async function look() {
  const reply = await fetch(location.href, { headers: { "Accept-Language": document.documentElement.lang }, cache: "no-store" });
  if (reply.ok) renew(new DOMParser().parseFromString(await reply.text(), "text/html"));
}

for (let looks = 0; !ends(); looks += 1) {
  await new Promise((next) => setTimeout(next, looks < SOON_LOOKS ? SOON_MS : LATER_MS));
  // What was read stays as it was, with its time: a lost connection proves nothing.
  if (!document.hidden) await look().catch(() => undefined);
}

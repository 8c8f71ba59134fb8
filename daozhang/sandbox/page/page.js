// The page: language, token, and one look a second at the phone and the books.
import { ask, remembered, take } from "./door.js";
import { Books } from "./books.js";
import { Phone } from "./phone.js";
import { WORDS } from "./words.js";

const find = (id) => document.getElementById(id);
const said = (text) => { find("said").textContent = text; };
const alarm = (why) => { find("alert").textContent = why?.words?.[document.documentElement.lang] ?? (why ? WORDS[document.documentElement.lang].away : ""); };
const books = new Books(said);
const phone = new Phone(said, alarm);
let behaviours;

async function speak(language) {
  document.documentElement.lang = language;
  localStorage.setItem("lang", language);
  const words = WORDS[language];
  for (const place of document.querySelectorAll("[data-say]")) place.textContent = words[place.dataset.say];
  for (const place of document.querySelectorAll("[data-name]")) place.setAttribute("aria-label", words[place.dataset.name]);
  for (const name of ["zh", "en"]) find(name).setAttribute("aria-pressed", String(name === language));
  if (behaviours) {
    const usual = Object.keys(words.channels);
    const channels = Object.keys(behaviours).sort((one, other) => usual.indexOf(one) - usual.indexOf(other));
    await phone.speak(words, channels, behaviours);
    await books.speak(words, channels);
    await look();
  }
}

let away = false;

async function look() {
  try {
    await Promise.all([phone.look(), books.look()]);
    if (away) alarm(null);
    away = false;
  } catch (why) {
    away = true;
    alarm(why);
  }
}

async function enter() {
  try {
    behaviours = await ask("GET", "/behaviours");
  } catch (why) {
    alarm(why);
    if (why.status === 401) find("alert").textContent = WORDS[document.documentElement.lang].badToken;
    find("login").hidden = false;
    return;
  }
  alarm(null);
  find("login").hidden = true;
  find("desk").hidden = false;
  await speak(document.documentElement.lang);
  for (;;) {
    await new Promise((next) => setTimeout(next, 1000));
    if (!document.hidden) await look();
  }
}

for (const name of ["zh", "en"]) find(name).addEventListener("click", () => speak(name));
find("login").addEventListener("submit", (event) => { event.preventDefault(); take(find("token").value); enter(); });
const wish = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("lang") ?? navigator.language;
await speak(wish.startsWith("en") ? "en" : "zh");
if (remembered()) enter();
else find("login").hidden = false;

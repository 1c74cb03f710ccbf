// What a script adds: times in the reader's zone, and in the review queue verdicts without reloading, and keys.
// Without it everything works by forms and links.
"use strict";

document.documentElement.classList.add("scripted");

const local = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime*='T']")) {
    time.title = time.textContent;
    time.textContent = local.format(new Date(time.dateTime));
  }
}

localise(document);

if (document.body.dataset.page === "review") review();

function review() {
  const queue = document.getElementById("queue");
  const said = document.getElementById("said");
  const dialog = document.getElementById("keys");
  const keysOn = document.getElementById("keys-on");
  let busy = false;
  if (!queue) return;

  // --- verdicts without reloading -----------------------------------------------------------------------------------

  queue.addEventListener("submit", (event) => {
    const card = event.target.closest(".proposal");
    // The last one of a page goes the way without a script: the next page says what was done, and has what else waits.
    if (!card || (cards().length === 1 && !queue.classList.contains("alone"))) return;
    event.preventDefault();
    send(event.target, card);
  });

  async function send(form, card) {
    if (busy) return;
    busy = true;
    card.setAttribute("aria-busy", "true");
    card.classList.add("leaving");
    try {
      // Not `form.action`: a field has that name.
      const response = await fetch(form.getAttribute("action"), {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { "learning-part": "1" },
      });
      const part = new DOMParser().parseFromString(await response.text(), "text/html");
      settle(card, part);
    } catch {
      tell("The server did not answer, so nothing was decided. Try again.");
    } finally {
      busy = false;
      card.removeAttribute("aria-busy");
      card.classList.remove("leaving");
    }
  }

  // The answer is the card anew, what is said in its place, or a whole page about what went wrong.
  function settle(card, part) {
    localise(part);
    const again = part.querySelector(".proposal");
    const done = part.querySelector(".said.decided");
    if (again) {
      card.replaceWith(again);
      again.focus();
    } else if (done) {
      const next = neighbour(card, 1) || neighbour(card, -1);
      said.replaceChildren(done);
      card.remove();
      tidy();
      if (next) next.focus();
      else document.getElementById("content").focus();
    } else {
      const failure = part.querySelector("main .lead");
      tell(failure ? failure.textContent : "Something went wrong, so nothing was decided. Reload the page.");
      card.focus();
    }
  }

  // A group without proposals has nothing to head.
  function tidy() {
    for (const heading of queue.querySelectorAll(".group-heading")) {
      if (!heading.nextElementSibling || !heading.nextElementSibling.matches(".proposal")) heading.remove();
    }
  }

  function tell(text) {
    const box = document.createElement("div");
    box.className = "said wrong";
    const words = document.createElement("p");
    words.textContent = text;
    box.append(words);
    said.replaceChildren(box);
  }

  // --- ticking ------------------------------------------------------------------------------------------------------

  const all = document.getElementById("choose-all");
  if (all) {
    all.addEventListener("change", () => {
      for (const box of ticks()) box.checked = all.checked;
    });
  }

  function ticks() {
    return queue.querySelectorAll("input[name='chosen']");
  }

  // --- keys ---------------------------------------------------------------------------------------------------------

  const show = document.getElementById("show-keys");
  if (show) show.addEventListener("click", () => dialog.showModal());
  if (keysOn) {
    keysOn.checked = localStorage.getItem("learning-keys") !== "off";
    keysOn.addEventListener("change", () => localStorage.setItem("learning-keys", keysOn.checked ? "on" : "off"));
  }

  function cards() {
    return [...queue.querySelectorAll(".proposal")];
  }

  function neighbour(card, step) {
    const found = cards();
    return found[found.indexOf(card) + step];
  }

  function here() {
    return document.activeElement ? document.activeElement.closest(".proposal") : null;
  }

  function move(step) {
    const card = here();
    const next = card ? neighbour(card, step) : cards()[0];
    if (next) next.focus();
  }

  function open(card, verdict) {
    const details = card.querySelector(`details[data-verdict='${verdict}']`);
    if (!details) return;
    for (const other of card.querySelectorAll("details[data-verdict]")) other.open = other === details;
    details.querySelector("textarea, input:not([type='hidden'])").focus();
  }

  const actions = {
    j: () => move(1),
    k: () => move(-1),
    a: (card) => { const form = card.querySelector("form[data-verdict='approve']"); if (form) form.requestSubmit(); },
    e: (card) => open(card, "edit"),
    r: (card) => open(card, "reject"),
    x: (card) => { const box = card.querySelector("input[name='chosen']"); if (box) box.checked = !box.checked; },
    u: () => { const form = said.querySelector("form"); if (form) form.requestSubmit(); },
    "?": () => { if (dialog) dialog.showModal(); },
  };
  const anywhere = ["j", "k", "u", "?"];

  document.addEventListener("keydown", (event) => {
    const card = here();
    const typing = event.target.closest("input:not([type='checkbox']), textarea, select");
    if (event.key === "Escape" && card) {
      const open = event.target.closest("details[data-verdict][open]");
      if (open) { open.open = false; card.focus(); }
      return;
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea")) {
      event.preventDefault();
      event.target.form.requestSubmit();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || (dialog && dialog.open)) return;
    if (event.key !== "?" && keysOn && !keysOn.checked) return;
    const action = actions[event.key];
    if (!action || (!card && !anywhere.includes(event.key))) return;
    event.preventDefault();
    action(card);
  });
}

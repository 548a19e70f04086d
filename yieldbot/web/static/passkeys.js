// A module, so that its names are its own. Passkeys and wallets: sign in, make a passkey, approve a plan.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const base64url = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const hex = (buffer) => [...new Uint8Array(buffer)].map((one) => one.toString(16).padStart(2, "0")).join("");
const by = (id) => document.getElementById(id);

function say(place, words) {
  if (place.textContent !== words) place.textContent = words;
  place.hidden = !words;
}

function reason(failure) {
  if (failure.name === "NotAllowedError") return "Nothing was done: it was cancelled, or took too long. Try again.";
  if (failure.name === "InvalidStateError") return "This device has such a passkey already.";
  if (failure.name === "SecurityError") return "Passkeys work only at the page's own name with https.";
  if (failure instanceof TypeError) return "The server cannot be reached: nothing was done. Try again when the connection is back.";
  return failure.message || "It did not work: try again.";
}

async function answer(challenge, credential) {
  const found = await navigator.credentials.get({ publicKey: {
    challenge,
    rpId: location.hostname,
    userVerification: "required",
    timeout: 120000,
    allowCredentials: credential ? [{ type: "public-key", id: bytes(credential) }] : [],
  } });
  const { authenticatorData, clientDataJSON, signature } = found.response;
  return JSON.stringify({
    authenticatorData: base64url(authenticatorData),
    clientDataJSON: base64url(clientDataJSON),
    signature: base64url(signature),
  });
}

// work: its answer is true where the page is being left; the button then stays as it is until an answer should have come.
let occupied = false;

async function busy(button, place, work) {
  button.disabled = occupied = true;
  say(place, "");
  let left = false;
  try {
    left = await work();
  } catch (failure) {
    say(place, reason(failure));
  }
  occupied = false;
  if (left) setTimeout(() => { button.disabled = false; }, 15000);
  else { button.disabled = false; button.focus({ preventScroll: true }); }
}

const able = Boolean(window.PublicKeyCredential && window.isSecureContext);
for (const one of document.querySelectorAll("[data-lacks-passkeys]")) one.hidden = able;
for (const one of document.querySelectorAll("[data-needs-passkeys]")) one.hidden = !able;

// Sign in.
if (by("passkey-form")) {
  const form = by("passkey-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(by("with-passkey"), by("passkey-why"), async () => {
      const asked = await fetch("/sign-in/challenge", { method: "POST" });
      if (!asked.ok) throw new Error("The server refused: wait a minute and try again.");
      const { challenge } = await asked.json();
      form.elements.assertion.value = await answer(bytes(challenge), "");
      form.elements.challenge.value = challenge;
      form.submit();
      return true;
    });
  });
}

// Approve a plan: by passkey, or by a wallet in this browser.
if (by("approve-form")?.elements.approver) {  // none where the person has signed already
  const form = by("approve-form");
  const chosen = () => form.elements.approver.selectedOptions?.[0] ?? form.elements.approver;
  const shown = () => {
    const kind = chosen().dataset.kind;
    for (const one of form.querySelectorAll("[data-kind-of]")) one.hidden = one.dataset.kindOf !== kind;
    for (const one of document.querySelectorAll("[data-elsewhere]")) one.hidden = false;
    if (by("with-wallet") && !window.ethereum) by("with-wallet").hidden = true;
    if (by("no-wallet")) by("no-wallet").hidden = kind !== "wallet" || Boolean(window.ethereum);
  };
  const send = async (signature) => {
    form.elements.signature.value = signature;
    return window.yieldbot.send(form);
  };
  form.elements.approver.addEventListener("change", shown);
  shown();
  by("with-passkey")?.addEventListener("click", (event) => {
    event.preventDefault();
    busy(by("with-passkey"), by("approve-why"), async () => await window.yieldbot.ready(form)
      && send(await answer(bytes(form.dataset.challenge), chosen().dataset.credential)));
  });
  by("with-wallet")?.addEventListener("click", (event) => {
    event.preventDefault();
    busy(by("with-wallet"), by("approve-why"), async () => {
      if (!(await window.yieldbot.ready(form))) return false;
      const accounts = await window.ethereum.request({ method: "eth_requestAccounts" });
      const wanted = chosen().dataset.address.toLowerCase();
      const account = accounts.find((one) => one.toLowerCase() === wanted);
      if (!account) throw new Error(`Your wallet does not show the account ${chosen().dataset.address}: choose it there.`);
      const typed = by("typed").value;
      return send(await window.ethereum.request({ method: "eth_signTypedData_v4", params: [account, typed] }));
    });
  });
}

// Make a passkey.
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

async function checkCode(key) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`yieldbot approver ${key}`)));
  let number = 0n;
  for (const one of digest.slice(0, 8)) number = (number << 8n) | BigInt(one);
  number >>= 4n;
  let code = "";
  for (let shift = 55n; shift >= 0n; shift -= 5n) code += DIGITS[Number((number >> shift) & 31n)];
  return code.replace(/(.{4})(?=.)/g, "$1-");
}

if (by("make-form")) {
  const form = by("make-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(by("make"), by("make-why"), async () => {
      const name = form.elements.name.value.trim();
      const made = await navigator.credentials.create({ publicKey: {
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        rp: { id: location.hostname, name: "yieldbot" },
        user: { id: crypto.getRandomValues(new Uint8Array(16)), name, displayName: name },
        pubKeyCredParams: [{ type: "public-key", alg: -7 }],
        authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
        attestation: "none",
        timeout: 120000,
      } });
      const info = new Uint8Array(made.response.getPublicKey());
      const key = hex(info.slice(-65));
      if (made.response.getPublicKeyAlgorithm() !== -7 || !key.startsWith("04")) {
        throw new Error("This device makes passkeys of another kind than ES256: use another one.");
      }
      by("line").value = `yieldbot approver add ${name} --passkey ${key} --origin ${location.origin} --credential=${made.id}`;
      by("check-code").textContent = await checkCode(key);
      by("made").hidden = false;
      form.hidden = true;
      by("made").focus();
      return true;
    });
  });
}

// Copy and share.
for (const one of document.querySelectorAll("[data-copy]")) {
  one.addEventListener("click", async () => {
    const field = by(one.dataset.copy);
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      field.select();
      document.execCommand("copy");
    }
    const before = one.textContent;
    one.textContent = "Copied";
    setTimeout(() => { one.textContent = before; }, 2000);
  });
}
for (const one of document.querySelectorAll("[data-share]")) {
  one.hidden = !navigator.share;
  one.addEventListener("click", () => navigator.share({ text: by(one.dataset.share).value }).catch(() => {}));
}

// How long a plan still waits, and a link that opens what it leads to.
function left(seconds) {
  if (seconds <= 0) return "expired";
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours >= 48) return `expires in ${Math.floor(hours / 24)} days`;
  if (hours) return `expires in ${hours} h ${minutes} min`;
  return minutes ? `expires in ${minutes} min ${Math.floor(seconds) % 60} s` : `expires in ${Math.floor(seconds)} s`;
}

// A plan that is open in this page: what waits for a person ends when the plan does. The server's clock counts.
const plan = document.querySelector("article.plan");
const ahead = plan ? Number(plan.dataset.now) * 1000 - Date.now() : 0;
let asked = 0;

function ended(words) {
  for (const one of document.querySelectorAll("[data-while-waits]")) one.hidden = true;
  say(by("news"), words);
}

function count() {
  for (const one of document.querySelectorAll("[data-expires]")) {
    const seconds = Number(one.dataset.expires) - (Date.now() + ahead) / 1000;
    one.textContent = left(seconds);
    one.classList.toggle("soon", seconds < 600);
    if (seconds > 0) continue;
    ended("This plan has expired: nobody can sign it any more.");
    if (asked++ % 5 === 1) htmx.trigger(document.body, "changed");  // the page is loaded again when the server agrees
  }
}

// The progress of the plan has come: if the page shows another state, it is loaded again, unless the person is at
// something that they can still finish.
function followed() {
  const now = by("progress");
  if (!plan || !now || now.dataset.state === plan.dataset.state) return;
  const written = [...document.querySelectorAll("#reject input, #elsewhere textarea:not([readonly])")].some((one) => one.type !== "hidden" && one.value);
  if (!now.dataset.waits) ended("This plan waits no more.");
  if (!now.dataset.waits || !(occupied || written)) { location.reload(); return; }
  say(by("news"), now.dataset.signed === plan.dataset.signed ? "Something has changed: see below." : "Somebody else has signed meanwhile.");
}

if (plan) {
  count();
  setInterval(count, 1000);
  new MutationObserver(followed).observe(plan, { childList: true, subtree: true });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}
for (const one of document.querySelectorAll("[data-opens]")) {
  one.addEventListener("click", () => {
    by(one.dataset.opens).open = true;
    by(one.dataset.opens).querySelector("input:not([type=hidden])").focus();
  });
}

// Which fields of a page are kept over a reload, what is in them, and how they are
// found again on the page that comes after.

const kept = "input,textarea,select,[contenteditable]";
const never = /^(password|file|hidden|submit|button|reset|image)$/;
const secret = /^(cc-.*|one-time-code|.*-password)$/;
const secretName = /passw|passcode|pwd|secret|token|\botp\b|\bpin\b|cvc|cvv|iban|card.?n/i;

// fieldOf is the field that an event has come to, undefined if it is none.
export function fieldOf(target) {
  const field = target instanceof Element ? target.closest(kept) : undefined;
  return field && (form(field) || field.isContentEditable) ? field : undefined;
}

function form(field) {
  return /^(INPUT|TEXTAREA|SELECT)$/.test(field.tagName);
}

// passwords remembers what has ever been one: a button that shows what is typed turns
// it into plain text.
export function passwords() {
  const been = new WeakSet();
  const seen = new MutationObserver((changes) => changes.forEach(remember));
  function remember(change) {
    if (change.oldValue?.toLowerCase() === "password") been.add(change.target);
  }
  seen.observe(document, { subtree: true, attributes: true, attributeFilter: ["type"], attributeOldValue: true });
  return {
    has(field) {
      seen.takeRecords().forEach(remember);
      return been.has(field);
    },
    close: () => seen.disconnect(),
  };
}

// mayKeep says no to what must not be written down, or is nobody's typing.
export function mayKeep(field, passwords) {
  if (field.disabled || field.closest("[data-segue-skip]") || passwords.has(field)) return false;
  if (form(field) && never.test(field.type)) return false;
  if (secretName.test(`${field.getAttribute("name")} ${field.id}`)) return false;
  if ((field.getAttribute("autocomplete") ?? "").toLowerCase().split(/\s+/).some((t) => secret.test(t))) return false;
  const mask = getComputedStyle(field).webkitTextSecurity;
  return !mask || mask === "none";
}

// place says where a field is: by its ID if it has one, else by its name and form.
export function place(field) {
  const p = { tag: field.tagName, type: field.type ?? "", id: field.id, name: field.getAttribute("name") ?? "", form: formOf(field) };
  if (p.type === "radio" || p.type === "checkbox") p.value = field.value;
  p.index = like(p).indexOf(field);
  return p;
}

// find finds the field of a place; undefined if it is not there, or another by now.
export function find(p) {
  const named = p.id ? document.getElementById(p.id) : undefined;
  return named && same(named, p) ? named : like(p)[p.index];
}

function like(p) {
  return Array.from(document.querySelectorAll(kept)).filter((f) => same(f, p) && formOf(f) === p.form);
}

function same(field, p) {
  return (
    field.tagName === p.tag &&
    (field.type ?? "") === p.type &&
    (field.getAttribute("name") ?? "") === p.name &&
    (p.value === undefined || field.value === p.value)
  );
}

function formOf(field) {
  const f = field.form;
  if (!f) return "";
  return f.id || f.getAttribute("name") || f.getAttribute("action") || String(Array.from(document.forms).indexOf(f));
}

// read is what is in a field, as JSON has it.
export function read(field) {
  if (!form(field)) return tree(field);
  if (field.tagName === "SELECT") return Array.from(field.selectedOptions, (o) => o.value);
  return field.type === "radio" || field.type === "checkbox" ? field.checked : field.value;
}

// write puts it back, and says so as typing does, so that frameworks take notice.
export function write(field, content) {
  if (JSON.stringify(read(field)) === JSON.stringify(content)) return;
  if (typeof content === "boolean") {
    // What is not chosen among radio buttons follows from what is.
    if (content || field.type === "checkbox") field.click();
    return;
  }
  if (!form(field)) field.replaceChildren(...content.map(grow));
  else if (field.tagName === "SELECT") for (const o of field.options) o.selected = content.includes(o.value);
  else set(field, content);
  field.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
  if (form(field)) field.dispatchEvent(new Event("change", { bubbles: true }));
}

// set goes past what a framework has put in front of the value of one element (React
// does, and takes an assignment for its own).
function set(field, content) {
  let up = Object.getPrototypeOf(field);
  while (!Object.prototype.hasOwnProperty.call(up, "value")) up = Object.getPrototypeOf(up);
  Object.getOwnPropertyDescriptor(up, "value").set.call(field, content);
}

const marks = /^(a|b|blockquote|br|code|div|em|h[1-6]|hr|i|li|ol|p|pre|s|span|strong|sub|sup|u|ul)$/;

// tree is text with its simple marks: a string, or [name, href, children]. No
// attribute is kept but the address of a link, so that nothing in it can run.
function tree(node) {
  return Array.from(node.childNodes).flatMap((n) => {
    if (n.nodeType === Node.TEXT_NODE) return [n.data];
    const name = n.nodeName.toLowerCase();
    if (n.nodeType !== Node.ELEMENT_NODE || n.closest("[data-segue-skip]")) return [];
    return marks.test(name) ? [[name, n.getAttribute("href"), tree(n)]] : tree(n);
  });
}

function grow(n) {
  if (typeof n === "string") return document.createTextNode(n);
  const [name, href, children] = n;
  const e = document.createElement(marks.test(name) ? name : "span");
  if (name === "a" && /^(https?:|mailto:)/.test(href)) e.setAttribute("href", href);
  e.append(...children.map(grow));
  return e;
}

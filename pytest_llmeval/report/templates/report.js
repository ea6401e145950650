"use strict";
/* The page's own script: theme, sortable tables, and the browser of questions. What comes from models and
   data files reaches the page through textContent alone. */
(() => {
  const byId = (id) => document.getElementById(id);

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  }

  /* Text as it is, but for what would be invisible or turn the text around it: that is shown by its number. */
  const ODD = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
  const MOST_ODD = 400;
  function put(node, text) {
    const whole = String(text);
    let from = 0, number = 0;
    for (const hit of whole.matchAll(ODD)) {
      if (++number > MOST_ODD) break;
      const code = whole.charCodeAt(hit.index).toString(16).toUpperCase().padStart(4, "0");
      node.append(whole.slice(from, hit.index), make("span", "odd", `U+${code}`));
      from = hit.index + 1;
    }
    const rest = whole.slice(from);
    node.append(number > MOST_ODD ? plain(rest) : rest);
  }

  const plain = (text) => text.replace(ODD, "\ufffd");

  // ---- theme: as the system has it, dark, light

  const THEMES = ["", "dark", "light"];
  const button = byId("theme");
  let theme = "";
  try { theme = localStorage.getItem("llmeval-theme") || ""; } catch { /* a page from disk may have none */ }
  function showTheme() {
    if (!THEMES.includes(theme)) theme = "";
    document.documentElement.dataset.theme = theme;
    button.setAttribute("aria-label", `Colours: ${theme || "as the system has them"}`);
    button.title = button.getAttribute("aria-label");
  }
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try { localStorage.setItem("llmeval-theme", theme); } catch { /* then for this visit only */ }
    showTheme();
  });
  showTheme();

  // ---- tables that sort by a click: down, up, as they were

  function sortable(table) {
    const body = table.tBodies[0];
    const before = [...body.rows];
    for (const head of table.querySelectorAll("th[data-sort]")) {
      const press = make("button");
      press.type = "button";
      press.append(...head.childNodes);
      head.append(press);
      press.addEventListener("click", () => {
        const number = head.dataset.sort === "number";
        const cycle = number ? ["descending", "ascending", ""] : ["ascending", "descending", ""];
        const next = cycle[(cycle.indexOf(head.getAttribute("aria-sort") || "") + 1) % 3];
        for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
        if (next) head.setAttribute("aria-sort", next);
        body.append(...(next ? sorted(before, head.cellIndex, number, next === "ascending" ? 1 : -1) : before));
      });
    }
  }

  function sorted(rows, column, number, direction) {
    const value = (row) => {
      const cell = row.cells[column];
      return number ? cell.dataset.value && Number(cell.dataset.value) : cell.textContent.trim();
    };
    return rows.map((row) => [value(row), row]).sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === ""); // what has no number comes last, always
      return direction * (number ? a - b : a.localeCompare(b));
    }).map(([, row]) => row);
  }
  document.querySelectorAll("table.sortable").forEach(sortable);

  // ---- copying

  async function copy(text, press) {
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch { // no permission, or a browser that has no clipboard for pages from disk
      const area = make("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    const said = press.textContent;
    press.textContent = done ? "Copied" : "Select it and copy";
    setTimeout(() => { press.textContent = said; }, 1500);
  }
  for (const press of document.querySelectorAll("button.copy")) {
    press.addEventListener("click", () => copy(press.dataset.copy, press));
  }

  // ---- the questions: an index of all, texts in packed chunks that are opened when they are wanted

  const data = JSON.parse(byId("index").textContent);
  const total = data.key.length;
  if (!total) return;
  const OUTCOMES = {
    c: ["correct", "✓"], w: ["wrong", "✗"], u: ["unparsed", "?"], a: ["answered", "–"], e: ["error", "!"],
  };
  const several = data.models.length > 1;
  const benchmarkOf = (i) => data.benchmarks[data.benchmark[i]];
  const subjectOf = (i) => benchmarkOf(i).subjects[data.subject[i]];
  const nameOf = (i) => `${subjectOf(i)[0]}-${data.key[i]}`;
  const idOf = (i) => `${benchmarkOf(i).name}/${subjectOf(i)[0]}/${data.key[i]}`;
  const outcomeOf = (i, model) => data.answers[model].outcome[i];
  // where questions were asked several times: a letter a time; what was said above is then of the majority
  const repeated = data.answers.some((one) => one.times);
  const timesOf = (i, model) => data.answers[model].times?.[i] || outcomeOf(i, model);
  const right = (times) => [...times].filter((letter) => letter === "c").length;
  const scored = (times) => [...times].filter((letter) => "cwu".includes(letter)).length;
  const flips = (i, model) => {
    const times = timesOf(i, model);
    return data.target[i] !== null && right(times) > 0 && right(times) < scored(times);
  };

  function chunkOf(i) {
    let low = 0, high = data.chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (data.chunks[middle] <= i) low = middle; else high = middle - 1;
    }
    return low;
  }

  const loaded = new Map(); // the number of a chunk -> a promise of its content
  const ready = new Map(); // the number of a chunk -> its content
  const KEPT = 400;
  const parsed = new Promise((resolve) => {
    if (document.readyState !== "loading") resolve();
    else document.addEventListener("DOMContentLoaded", () => resolve(), { once: true });
  });

  function load(chunk) {
    if (!loaded.has(chunk)) loaded.set(chunk, unpack(chunk));
    return loaded.get(chunk);
  }

  async function unpack(chunk) {
    if (!byId(`chunk-${chunk}`)) await parsed;
    const holder = byId(`chunk-${chunk}`);
    if (!holder) return null; // on another page
    if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old to unpack the texts");
    const bytes = Uint8Array.from(atob(holder.textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const content = JSON.parse(await new Response(stream).text());
    ready.set(chunk, content);
    if (ready.size > KEPT) { // memory is for what is looked at; a chunk is unpacked again in no time
      const oldest = ready.keys().next().value;
      ready.delete(oldest);
      loaded.delete(oldest);
    }
    return content;
  }

  const textOf = (content, chunk, i) => content.questions[i - data.chunks[chunk]];
  const firstPage = (chunk) => data.pages.findLast((page) => page.chunk <= chunk);

  // ---- filters

  const fields = Object.fromEntries(
    ["text", "benchmark", "subject", "model", "outcome", "order"].map((name) => [name, byId(`f-${name}`)]));

  function options(select, pairs) {
    select.replaceChildren(...pairs.map(([value, text]) => {
      const option = make("option", "", plain(text));
      option.value = value;
      return option;
    }));
    select.parentElement.hidden = pairs.length < 3 && select !== fields.order;
  }

  options(fields.benchmark, [["", "all"], ...data.benchmarks.map((one, at) => [String(at), one.name])]);
  options(fields.model, [["", "any"], ...data.models.map((name, at) => [String(at), name])]);
  const differences = [];
  for (let a = 0; a < data.models.length; a++) {
    for (let b = a + 1; b < data.models.length; b++) differences.push([`d${a},${b}`, `${data.models[a]} ≠ ${data.models[b]}`]);
  }
  const held = new Set(data.answers.map((one) => one.outcome).join(""));
  const everHeld = new Set(data.answers.flatMap((one) => one.times || []).join(""));
  options(fields.outcome, [
    ["", "all"],
    ...Object.entries(OUTCOMES).filter(([letter]) => held.has(letter))
      .map(([letter, [word]]) => [letter, repeated ? `${word} by majority` : word]),
    ...(repeated ? [["f", "flips"]] : []),
    ...["u", "e"].filter((letter) => everHeld.has(letter)).map((letter) => [`s${letter}`, `${OUTCOMES[letter][0]} at least once`]),
    ...(several ? [["d", "models differ"], ...(differences.length > 1 ? differences : [])] : []),
  ]);
  const graded = data.answers.some((one) => one.score);
  options(fields.order, [
    ["", "as asked"], ["slow", "slowest first"], ["fast", "fastest first"],
    ...(graded ? [["low", "lowest score first"], ["high", "highest score first"]] : []),
  ]);

  function offerSubjects() {
    const chosen = fields.subject.value;
    const wanted = fields.benchmark.value;
    const found = [["", "all"]];
    data.benchmarks.forEach((benchmark, b) => {
      if (wanted !== "" && Number(wanted) !== b) return;
      benchmark.subjects.forEach(([key, , chinese], s) => {
        const words = chinese && chinese !== key ? `${key} ${chinese}` : key;
        found.push([`${b}/${s}`, data.benchmarks.length > 1 && wanted === "" ? `${benchmark.name}: ${words}` : words]);
      });
    });
    options(fields.subject, found);
    fields.subject.value = found.some(([value]) => value === chosen) ? chosen : "";
  }
  offerSubjects();

  const isRight = (i, model) => outcomeOf(i, model) === "c";
  function differs(i, models) {
    const scored = models.filter((model) => "cwu".includes(outcomeOf(i, model)));
    return scored.length > 1 && scored.some((model) => isRight(i, model) !== isRight(i, scored[0]));
  }

  function passes() {
    const benchmark = fields.benchmark.value, subject = fields.subject.value;
    const outcome = fields.outcome.value;
    const models = fields.model.value === "" ? data.models.map((_, at) => at) : [Number(fields.model.value)];
    const all = data.models.map((_, at) => at);
    const [b, s] = subject.split("/").map(Number);
    const pair = outcome.length > 1 && outcome.startsWith("d") ? outcome.slice(1).split(",").map(Number) : all;
    return (i) => {
      if (benchmark !== "" && data.benchmark[i] !== Number(benchmark)) return false;
      if (subject !== "" && (data.benchmark[i] !== b || data.subject[i] !== s)) return false;
      if (models.length === 1 && outcomeOf(i, models[0]) === "-") return false;
      if (outcome.startsWith("d")) return differs(i, pair);
      if (outcome === "f") return models.some((model) => flips(i, model));
      if (outcome.startsWith("s")) return models.some((model) => timesOf(i, model).includes(outcome[1]));
      return outcome === "" || models.some((model) => outcomeOf(i, model) === outcome);
    };
  }

  const latency = (i, models) => Math.max(...models.map((model) => data.answers[model].ms[i] ?? -1));

  /* The mean of a graded metric's scores; null where there is none. */
  function score(i, models) {
    const known = models.map((model) => data.answers[model].score?.[i] ?? null).filter((one) => one !== null);
    return known.length ? known.reduce((all, one) => all + one) / known.length : null;
  }

  let found = []; // the numbers of the questions in the list
  let turn = 0; // of filters: a search that was overtaken stops

  async function filter() {
    const mine = ++turn;
    const test = passes();
    let list = [];
    for (let i = 0; i < total; i++) if (test(i)) list.push(i);
    const words = fields.text.value.trim().toLowerCase();
    let elsewhere = 0;
    if (words) {
      const hits = [];
      let last = -1, content = null, slice = performance.now();
      for (const i of list) {
        const chunk = chunkOf(i);
        if (chunk !== last) {
          content = await load(chunk);
          last = chunk;
          if (mine !== turn) return;
          if (performance.now() - slice > 60) { // let the page breathe
            byId("shown").textContent = `searching… ${Math.round((100 * i) / total)}%`;
            await new Promise((resolve) => setTimeout(resolve));
            if (mine !== turn) return;
            slice = performance.now();
          }
        }
        if (!content) elsewhere++;
        else if (haystack(textOf(content, chunk, i), i).includes(words)) hits.push(i);
      }
      list = hits;
    }
    if (fields.order.value) {
      const models = fields.model.value === "" ? data.models.map((_, at) => at) : [Number(fields.model.value)];
      const direction = ["slow", "high"].includes(fields.order.value) ? -1 : 1;
      const value = ["low", "high"].includes(fields.order.value) ? score : latency;
      list = list.map((i) => [i, value(i, models)]);
      list = list.sort(([, a], [, b]) => (a === null) - (b === null) || direction * (a - b)).map(([i]) => i);
    }
    found = list;
    const more = elsewhere ? `; ${elsewhere.toLocaleString()} more are on other pages and were not searched` : "";
    byId("shown").textContent =
      (list.length === total ? total.toLocaleString() : `${list.length.toLocaleString()} of ${total.toLocaleString()}`) + more;
    place = found.indexOf(current);
    view.scrollTop = place < 0 ? 0 : Math.max(0, place * ROW - view.clientHeight / 2);
    draw(true);
  }

  function haystack(question, i) {
    if (question.haystack === undefined) {
      const parts = [idOf(i), nameOf(i), question.prompt];
      for (const own of Object.values(question.models)) {
        for (const time of own.times) parts.push(time.text, time.reasoning, time.error, time.judge && time.judge.text, ...(time.notes || []));
      }
      question.haystack = parts.filter(Boolean).join("\n").toLowerCase();
    }
    return question.haystack;
  }

  let waiting = 0;
  fields.text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 180);
  });
  byId("filters").addEventListener("change", (event) => {
    if (event.target === fields.text) return;
    if (event.target === fields.benchmark) offerSubjects();
    filter();
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => setTimeout(() => { offerSubjects(); filter(); }));

  for (const link of document.querySelectorAll(".to-questions")) {
    link.addEventListener("click", () => {
      byId("filters").reset();
      const wanted = data.benchmarks.findIndex((one) => one.name === link.dataset.benchmark);
      const subject = wanted < 0 ? -1 : data.benchmarks[wanted].subjects.findIndex(([key]) => key === link.dataset.subject);
      setTimeout(() => {
        if (wanted >= 0) fields.benchmark.value = String(wanted);
        offerSubjects();
        if (subject >= 0) fields.subject.value = `${wanted}/${subject}`;
        const outcome = link.dataset.outcome; // errors and unparsed are counted by answers
        if (outcome) fields.outcome.value = repeated && "ue".includes(outcome) ? `s${outcome}` : outcome;
        if (link.dataset.model) fields.model.value = several ? link.dataset.model : "";
        if (link.dataset.differ) fields.outcome.value = differences.length > 1 ? `d${link.dataset.differ}` : "d";
        filter();
      });
      byId("questions").scrollIntoView();
    });
  }

  // ---- the list: only what is in sight is in the page

  const ROW = 46;
  const view = byId("list"), spacer = byId("spacer");
  let current = -1; // the question that is open
  let place = -1; // where it is in the list
  const rows = new Map(); // place in the list -> its element

  function draw(anew) {
    if (anew) {
      rows.clear();
      spacer.replaceChildren();
      spacer.style.height = `${found.length * ROW}px`;
      if (!found.length) spacer.append(make("p", "quiet", "No question matches."));
    }
    const first = Math.max(0, Math.floor(view.scrollTop / ROW) - 6);
    const last = Math.min(found.length, Math.ceil((view.scrollTop + view.clientHeight) / ROW) + 6);
    for (const [at, row] of rows) {
      if (at < first || at >= last) { row.remove(); rows.delete(at); }
    }
    for (let at = first; at < last; at++) {
      if (!rows.has(at)) {
        const row = rowOf(found[at], at);
        rows.set(at, row);
        spacer.append(row);
      }
    }
    clearTimeout(peeking);
    peeking = setTimeout(peek, 60);
  }

  function badge(letter, model, times) {
    const node = make("span", "badge");
    const [word, sign] = OUTCOMES[letter] || ["not asked", "·"];
    node.classList.add(OUTCOMES[letter] ? `o-${word}` : "none");
    node.textContent = sign;
    if (times) node.append(make("small", "", `${right(times)}/${scored(times)}`));
    const said = times ? `${word} by majority, right ${right(times)} of ${scored(times)} times` : word;
    node.title = several ? `${plain(data.models[model])}: ${said}` : said;
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", node.title);
    return node;
  }

  function rowOf(i, at) {
    const row = make("div", "item");
    row.id = `item-${i}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(i === current));
    row.setAttribute("aria-posinset", String(at + 1));
    row.setAttribute("aria-setsize", String(found.length));
    row.style.top = `${at * ROW}px`;
    const badges = make("div", "badges");
    data.models.forEach((_, model) => {
      badges.append(badge(outcomeOf(i, model), model, flips(i, model) ? timesOf(i, model) : ""));
    });
    const what = make("div", "what");
    const id = make("div", "id");
    put(id, data.benchmarks.length > 1 ? `${benchmarkOf(i).name} ${nameOf(i)}` : nameOf(i));
    what.append(id, make("div", "peek", "\u00a0"));
    const side = make("div", "side");
    const answers = data.answers.filter((one) => one.outcome[i] !== "-").map((one) => one.answer[i] ?? "–");
    const given = make("div");
    put(given, data.target[i] === null ? answers.join(" ") : `${answers.join(" ")} / ${data.target[i]}`);
    given.title = "answer read / right answer";
    const late = latency(i, data.models.map((_, model) => model));
    side.append(given, make("div", "late", late < 0 ? "\u00a0" : seconds(late)));
    row.append(badges, what, side);
    return row;
  }

  let peeking = 0;
  async function peek() {
    for (const [at, row] of [...rows]) {
      const i = found[at], chunk = chunkOf(i), line = row.querySelector(".peek");
      if (line.dataset.told) continue;
      try {
        const content = ready.get(chunk) || await load(chunk);
        if (!row.isConnected) continue;
        line.dataset.told = "1";
        if (!content) continue;
        line.textContent = "";
        put(line, gist(textOf(content, chunk, i).prompt));
      } catch { return; }
    }
  }

  function gist(prompt) {
    const turn = prompt.lastIndexOf("[user]\n");
    let own = prompt.slice(turn < 0 ? 0 : turn + 7);
    const first = own.slice(0, own.indexOf("\n") + 1); // an instruction that each turn begins with tells nothing
    if (turn > 0 && first && prompt.slice(0, turn).includes(`[user]\n${first}`)) own = own.slice(first.length);
    return own.slice(0, 160).replace(/\s+/g, " ").trim() || "\u00a0";
  }

  view.addEventListener("scroll", () => draw(false), { passive: true });
  new ResizeObserver(() => draw(false)).observe(view);
  view.addEventListener("click", (event) => {
    const row = event.target.closest(".item");
    if (row) choose([...rows].find(([, one]) => one === row)[0], true);
  });

  function choose(at, opened) {
    if (!found.length) return;
    place = Math.max(0, Math.min(found.length - 1, at));
    current = found[place];
    const top = place * ROW;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + ROW > view.scrollTop + view.clientHeight) view.scrollTop = top + ROW - view.clientHeight;
    draw(false);
    for (const [where, row] of rows) row.setAttribute("aria-selected", String(where === place));
    view.setAttribute("aria-activedescendant", `item-${current}`);
    open(current);
    if (opened) document.querySelector(".browser").classList.add("open");
    remember();
  }

  const STEPS = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: 12, PageUp: -12, Home: -Infinity, End: Infinity };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "Escape") {
      if (typing || document.querySelector(".browser.open")) close();
    } else if (!typing && event.key === "/") {
      event.preventDefault();
      fields.text.focus();
    } else if (event.target === fields.text && event.key === "Enter") {
      view.focus();
      choose(0, false);
    } else if (event.target === view && event.key === "Enter") {
      choose(Math.max(0, place), true);
    } else if (event.key in STEPS && (event.target === view || (!typing && "jk".includes(event.key)))) {
      event.preventDefault();
      const step = STEPS[event.key];
      choose(Math.abs(step) === Infinity ? (step < 0 ? 0 : found.length - 1) : place + (place < 0 ? 1 : step), false);
    }
  });

  function close() {
    document.querySelector(".browser").classList.remove("open");
    view.focus({ preventScroll: true });
  }

  // ---- one question

  const detail = byId("detail");

  async function open(i) {
    const chunk = chunkOf(i);
    let content = ready.get(chunk);
    try {
      content = content || await load(chunk);
    } catch (error) {
      detail.replaceChildren(make("p", "quiet", `The texts cannot be shown: ${error.message}. They are in questions.jsonl.`));
      return;
    }
    if (i !== current) return;
    if (!content) {
      location.href = `${firstPage(chunk).name}#${fragment()}`;
      return;
    }
    const question = textOf(content, chunk, i);
    detail.replaceChildren(...shown(i, question, content.prefixes[question.prefix]));
    detail.scrollTop = 0;
  }

  function shown(i, question, prefix) {
    const top = make("div", "top");
    const title = make("h3");
    put(title, idOf(i));
    const back = make("button", "", "Back");
    back.type = "button";
    back.id = "back";
    back.addEventListener("click", close);
    top.append(title, back);
    const names = make("div", "quiet");
    put(names, subjectOf(i).slice(1).filter((name, at, all) => name && all.indexOf(name) === at).join(" · "));
    const columns = make("div", "columns");
    data.models.forEach((_, model) => {
      if (question.models[model]) columns.append(ofModel(i, model, question.models[model]));
    });
    return [top, names, columns, make("h4", "", "Prompt"), promptOf(question.prompt, prefix)];
  }

  function promptOf(own, prefix) {
    const box = make("pre");
    if (prefix) {
      const shared = make("span", "shared");
      shared.title = "the same for other questions of this subject";
      put(shared, prefix);
      box.append(shared);
    }
    const rest = make("span");
    put(rest, own);
    box.append(rest);
    // what is the question's own is at the end
    requestAnimationFrame(() => { box.scrollTop = box.scrollHeight; });
    return box;
  }

  function verdictOf(letter, answer, target, note, score) {
    const line = make("div", "verdict");
    const [word, sign] = OUTCOMES[letter];
    line.append(make("span", `chip o-${word}`, `${sign} ${word}`));
    if (note) line.append(make("span", "quiet", note));
    const pair = make("span", "pair");
    for (const [label, value] of [["answer ", answer], ["right ", target]]) {
      if (label === "right " && value === null) continue;
      const bold = make("b");
      put(bold, value === null ? "none" : value);
      pair.append(make("span", "quiet", (pair.childNodes.length ? " · " : "") + label), bold);
    }
    if (score !== null && score !== undefined) pair.append(make("span", "quiet", " · score "), make("b", "", score.toFixed(3)));
    line.append(pair);
    return line;
  }

  function ofModel(i, model, own) {
    const part = make("section");
    const name = make("h4");
    put(name, data.models[model]);
    if (several) part.append(name);
    const told = { outcome: outcomeOf(i, model), answer: data.answers[model].answer[i], ms: data.answers[model].ms[i] };
    const many = own.times.length > 1;
    part.append(verdictOf(told.outcome, told.answer, data.target[i], many && "by majority", score(i, [model])));
    if (many) part.append(timesList(i, model, own.times));
    else part.append(...ofTime(i, { ...told, ...own.times[0] }));
    part.append(make("h4", "", "Ask just this question again"), rerun(benchmarkOf(i).commands[model], own.select));
    return part;
  }

  /* All answers to a question that was asked several times, each to be opened. */
  function timesList(i, model, times) {
    const box = make("div", "times");
    const letters = timesOf(i, model), of = scored(letters);
    const said = data.target[i] === null || !of ? `${times.length} answers` : `right ${right(letters)} of ${of} times`;
    box.append(make("div", "quiet", said + (flips(i, model) ? ": it flips" : "")));
    for (const [at, time] of times.entries()) {
      const fold = make("details", "time"), head = make("summary");
      head.append(make("span", "quiet", `${at + 1} `), verdictOf(time.outcome, time.answer, null, "", time.score));
      fold.append(head, ...ofTime(i, time));
      box.append(fold);
    }
    return box;
  }

  /* What came back one time. */
  function ofTime(i, own) {
    const part = [facts(own)];
    if (own.error) part.push(make("h4", "", "Error"), block(own.error, "failed"));
    if (own.orders) part.push(make("h4", "", "Orders of the choices"), ordersOf(own.orders));
    if (own.scores) part.push(make("h4", "", "Choice scores"), scoresOf(own.scores, data.target[i], own.answer));
    if (own.text || !own.scores) part.push(make("h4", "", "Raw text"), own.text ? block(own.text) : make("div", "quiet", "empty"));
    if (own.judge) {
      part.push(make("h4", "", `Judge ${plain(own.judge.judge)}: ${plain(own.judge.verdict || "no verdict")}`));
      if (own.judge.text) part.push(block(own.judge.text));
    }
    for (const [at, text] of (own.others || []).entries()) part.push(make("h4", "", `Raw text ${at + 2}`), block(text));
    if (own.metrics) part.push(make("h4", "", "Metrics of the task"), block(own.metrics));
    if (own.reasoning) {
      const fold = make("details");
      fold.append(make("summary", "quiet", "Reasoning"), block(own.reasoning));
      part.push(fold);
    }
    if (own.prompt) part.push(make("h4", "", "Prompt as this model got it"), promptOf(own.prompt));
    return part;
  }

  function facts(own) {
    const said = [
      own.ms !== null && seconds(own.ms),
      own.first_token_s && `first token after ${seconds(own.first_token_s * 1000)}`,
      own.prompt_tokens !== undefined && `${own.prompt_tokens.toLocaleString()} prompt tokens${own.shared_tokens ? ` (${own.shared_tokens.toLocaleString()} shared)` : ""}`,
      own.completion_tokens !== undefined && `${own.completion_tokens.toLocaleString()} written`,
      own.finish && `finish: ${own.finish}`,
      own.attempts && `${own.attempts} attempts`,
      own.cached && "from the store",
      ...(own.notes || []),
    ];
    const line = make("div", "quiet");
    put(line, said.filter(Boolean).join(" · "));
    return line;
  }

  function block(text, className) {
    const box = make("pre", className);
    put(box, text);
    return box;
  }

  function ordersOf(orders) {
    const list = make("ul", "orders");
    for (const [order, word, answer] of orders) {
      const line = make("li"), text = make("span");
      put(text, ` ${order}: ${answer ?? "none"}`);
      line.append(make("span", `chip o-${word}`, word), text);
      list.append(line);
    }
    return list;
  }

  const SVG = "http://www.w3.org/2000/svg";
  function scoresOf(scores, target, answer) {
    const box = make("div", "scores");
    const known = Object.values(scores).filter((score) => score !== null);
    const best = Math.max(...known);
    const sum = known.reduce((all, score) => all + Math.exp(score - best), 0);
    for (const [label, score] of Object.entries(scores)) {
      const share = score === null ? 0 : Math.exp(score - best) / sum;
      const name = make("span");
      put(name, `${label}${label === target ? " ✓" : ""}`);
      if (label === answer) name.style.fontWeight = "650";
      const chart = document.createElementNS(SVG, "svg");
      const bar = document.createElementNS(SVG, "rect");
      chart.setAttribute("viewBox", "0 0 100 9");
      chart.setAttribute("preserveAspectRatio", "none");
      bar.setAttribute("width", String(Math.max(0.5, 100 * share)));
      bar.setAttribute("height", "9");
      bar.setAttribute("class", label === target ? "o-correct" : "o-wrong");
      chart.append(bar);
      box.append(name, chart, make("span", "quiet", score === null ? "−∞" : `${(100 * share).toFixed(1)}%  (${score.toFixed(3)})`));
    }
    return box;
  }

  function rerun(head, select) {
    const line = make("div", "command"), text = `${head} ${select}`;
    const code = make("code");
    put(code, text);
    const press = make("button", "", "Copy");
    press.type = "button";
    press.addEventListener("click", () => copy(text, press));
    line.append(code, press);
    return line;
  }

  function seconds(ms) {
    if (ms < 9.95) return `${ms.toFixed(1)} ms`;
    if (ms < 999.5) return `${Math.round(ms)} ms`;
    return ms < 99995 ? `${(ms / 1000).toFixed(2)} s` : `${Math.round(ms / 1000).toLocaleString()} s`;
  }

  // ---- the address remembers which question is open

  const fragment = () => `q=${encodeURIComponent(idOf(current))}`;
  function remember() {
    try { history.replaceState(null, "", `#${fragment()}`); } catch { /* not from this place */ }
  }
  function recall() {
    if (!location.hash.startsWith("#q=")) return -1;
    let id = "";
    try { id = decodeURIComponent(location.hash.slice(3)); } catch { return -1; }
    for (let i = 0; i < total; i++) if (idOf(i) === id) return i;
    return -1;
  }

  current = recall();
  filter().then(() => {
    if (current >= 0) {
      byId("questions").scrollIntoView();
      choose(place, true);
    }
  });
})();

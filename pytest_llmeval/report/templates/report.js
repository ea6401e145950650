"use strict";
/* Theme, sortable tables, and the question browser. Text from models and data files is untrusted: it is only ever
   inserted as text (textContent, append). */
(() => {
  const byId = (id) => document.getElementById(id);

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  }

  /* Append text; characters that are invisible or change the direction of text appear as their code points. */
  const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
  const MAX_HIDDEN = 400;
  function put(node, text) {
    const whole = String(text);
    let from = 0, number = 0;
    for (const match of whole.matchAll(HIDDEN)) {
      if (++number > MAX_HIDDEN) break;
      const code = whole.charCodeAt(match.index).toString(16).toUpperCase().padStart(4, "0");
      node.append(whole.slice(from, match.index), make("span", "odd", `U+${code}`));
      from = match.index + 1;
    }
    const rest = whole.slice(from);
    node.append(number > MAX_HIDDEN ? plain(rest) : rest);
  }

  const plain = (text) => text.replace(HIDDEN, "\ufffd");

  // ---- theme: the system's, dark, light

  const THEMES = ["", "dark", "light"];
  const button = byId("theme");
  let theme = "";
  try { theme = localStorage.getItem("llmeval-theme") || ""; } catch { /* pages from disk may have no storage */ }
  function showTheme() {
    if (!THEMES.includes(theme)) theme = "";
    document.documentElement.dataset.theme = theme;
    button.setAttribute("aria-label", `Theme: ${theme || "system"}`);
    button.title = button.getAttribute("aria-label");
  }
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try { localStorage.setItem("llmeval-theme", theme); } catch { /* the theme is for this visit only */ }
    showTheme();
  });
  showTheme();

  // ---- sortable tables: descending, ascending, original order

  function sortable(table) {
    const body = table.tBodies[0];
    const original = [...body.rows];
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
        body.append(...(next ? sorted(original, head.cellIndex, number, next === "ascending" ? 1 : -1) : original));
      });
    }
  }

  function sorted(rows, column, number, direction) {
    const value = (row) => {
      const cell = row.cells[column];
      return number ? cell.dataset.value && Number(cell.dataset.value) : cell.textContent.trim();
    };
    return rows.map((row) => [value(row), row]).sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === ""); // rows without a number always come last
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
    } catch { // no permission, or no clipboard for pages from disk
      const area = make("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    const label = press.textContent;
    press.textContent = done ? "Copied" : "Copying failed";
    setTimeout(() => { press.textContent = label; }, 1500);
  }
  for (const press of document.querySelectorAll("button.copy")) {
    press.addEventListener("click", () => copy(press.dataset.copy, press));
  }

  // ---- the questions: an index of all, and texts in chunks that are decompressed on demand

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
  // with repeats: a letter for each answer; the functions above then return the majority's
  const repeated = data.answers.some((column) => column.repeats);
  const repeatsOf = (i, model) => data.answers[model].repeats?.[i] || outcomeOf(i, model);
  const correct = (letters) => [...letters].filter((letter) => letter === "c").length;
  const scored = (letters) => [...letters].filter((letter) => "cwu".includes(letter)).length;
  const flips = (i, model) => {
    const letters = repeatsOf(i, model);
    return data.target[i] !== null && correct(letters) > 0 && correct(letters) < scored(letters);
  };

  function chunkOf(i) {
    let low = 0, high = data.chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (data.chunks[middle] <= i) low = middle; else high = middle - 1;
    }
    return low;
  }

  const loaded = new Map(); // chunk number -> promise of its content
  const ready = new Map(); // chunk number -> content
  const MAX_READY = 400;
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
    if (typeof DecompressionStream === "undefined") throw new Error("this browser cannot decompress the texts");
    const bytes = Uint8Array.from(atob(holder.textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const content = JSON.parse(await new Response(stream).text());
    ready.set(chunk, content);
    if (ready.size > MAX_READY) { // limits memory; unpacking a chunk again is fast
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

  options(fields.benchmark, [["", "all"], ...data.benchmarks.map((benchmark, at) => [String(at), benchmark.name])]);
  options(fields.model, [["", "any"], ...data.models.map((name, at) => [String(at), name])]);
  const differences = [];
  for (let a = 0; a < data.models.length; a++) {
    for (let b = a + 1; b < data.models.length; b++) differences.push([`d${a},${b}`, `${data.models[a]} ≠ ${data.models[b]}`]);
  }
  const present = new Set(data.answers.map((column) => column.outcome).join(""));
  const inRepeats = new Set(data.answers.flatMap((column) => column.repeats || []).join(""));
  options(fields.outcome, [
    ["", "all"],
    ...Object.entries(OUTCOMES).filter(([letter]) => present.has(letter))
      .map(([letter, [word]]) => [letter, repeated ? `${word} by majority` : word]),
    ...(repeated ? [["f", "flips"]] : []),
    ...["u", "e"].filter((letter) => inRepeats.has(letter)).map((letter) => [`s${letter}`, `${OUTCOMES[letter][0]} at least once`]),
    ...(several ? [["d", "models differ"], ...(differences.length > 1 ? differences : [])] : []),
  ]);
  const graded = data.answers.some((column) => column.score);
  options(fields.order, [
    ["", "original"], ["slow", "slowest first"], ["fast", "fastest first"],
    ...(graded ? [["low", "lowest score first"], ["high", "highest score first"]] : []),
  ]);

  function offerSubjects() {
    const chosen = fields.subject.value;
    const benchmarkChosen = fields.benchmark.value;
    const offered = [["", "all"]];
    data.benchmarks.forEach((benchmark, b) => {
      if (benchmarkChosen !== "" && Number(benchmarkChosen) !== b) return;
      benchmark.subjects.forEach(([key, , chinese], s) => {
        const words = chinese && chinese !== key ? `${key} ${chinese}` : key;
        offered.push([`${b}/${s}`, data.benchmarks.length > 1 && benchmarkChosen === "" ? `${benchmark.name}: ${words}` : words]);
      });
    });
    options(fields.subject, offered);
    fields.subject.value = offered.some(([value]) => value === chosen) ? chosen : "";
  }
  offerSubjects();

  const isCorrect = (i, model) => outcomeOf(i, model) === "c";
  function differs(i, models) {
    const scoredModels = models.filter((model) => "cwu".includes(outcomeOf(i, model)));
    return scoredModels.length > 1 && scoredModels.some((model) => isCorrect(i, model) !== isCorrect(i, scoredModels[0]));
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
      if (outcome.startsWith("s")) return models.some((model) => repeatsOf(i, model).includes(outcome[1]));
      return outcome === "" || models.some((model) => outcomeOf(i, model) === outcome);
    };
  }

  const latency = (i, models) => Math.max(...models.map((model) => data.answers[model].ms[i] ?? -1));

  /* A graded metric's score, averaged over models; null without one. */
  function score(i, models) {
    const known = models.map((model) => data.answers[model].score?.[i] ?? null).filter((value) => value !== null);
    return known.length ? known.reduce((sum, value) => sum + value) / known.length : null;
  }

  let listed = []; // the numbers of the questions in the list
  let turn = 0; // counts filter changes, so that an outdated search stops

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
          if (performance.now() - slice > 60) { // keep the page responsive
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
    listed = list;
    const more = elsewhere ? `; ${elsewhere.toLocaleString()} more are on other pages and were not searched` : "";
    byId("shown").textContent =
      (list.length === total ? total.toLocaleString() : `${list.length.toLocaleString()} of ${total.toLocaleString()}`) + more;
    place = listed.indexOf(current);
    view.scrollTop = place < 0 ? 0 : Math.max(0, place * ROW - view.clientHeight / 2);
    draw(true);
  }

  function haystack(question, i) {
    if (question.haystack === undefined) {
      const parts = [idOf(i), nameOf(i), question.prompt, question.question];
      for (const ofModel of Object.values(question.models)) {
        for (const answer of ofModel.answers) parts.push(answer.text, answer.reasoning, answer.error, answer.judge && answer.judge.text, ...(answer.notes || []));
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
      const benchmark = data.benchmarks.findIndex(({ name }) => name === link.dataset.benchmark);
      const subject = benchmark < 0 ? -1 : data.benchmarks[benchmark].subjects.findIndex(([key]) => key === link.dataset.subject);
      setTimeout(() => {
        if (benchmark >= 0) fields.benchmark.value = String(benchmark);
        offerSubjects();
        if (subject >= 0) fields.subject.value = `${benchmark}/${subject}`;
        const outcome = link.dataset.outcome; // alerts count answers, not questions
        if (outcome) fields.outcome.value = repeated && "ue".includes(outcome) ? `s${outcome}` : outcome;
        if (link.dataset.model) fields.model.value = several ? link.dataset.model : "";
        if (link.dataset.differ) fields.outcome.value = differences.length > 1 ? `d${link.dataset.differ}` : "d";
        filter();
      });
      byId("questions").scrollIntoView();
    });
  }

  // ---- the list: only visible rows are in the page

  const rowHeight = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
  let ROW = rowHeight(); // narrow screens have higher rows
  const view = byId("list"), spacer = byId("spacer");
  let current = -1; // the question that is open
  let place = -1; // its place in the list
  const rows = new Map(); // place in the list -> element

  function draw(fromScratch) {
    if (fromScratch) {
      rows.clear();
      spacer.replaceChildren();
      spacer.style.height = `${listed.length * ROW}px`;
      if (!listed.length) spacer.append(make("p", "quiet", "No matching questions."));
    }
    const first = Math.max(0, Math.floor(view.scrollTop / ROW) - 6);
    const last = Math.min(listed.length, Math.ceil((view.scrollTop + view.clientHeight) / ROW) + 6);
    for (const [at, row] of rows) {
      if (at < first || at >= last) { row.remove(); rows.delete(at); }
    }
    for (let at = first; at < last; at++) {
      if (!rows.has(at)) {
        const row = rowOf(listed[at], at);
        rows.set(at, row);
        spacer.append(row);
      }
    }
    clearTimeout(peeking);
    peeking = setTimeout(peek, 60);
  }

  function badge(letter, model, repeats) {
    const node = make("span", "badge");
    const [word, sign] = OUTCOMES[letter] || ["not asked", "·"];
    node.classList.add(OUTCOMES[letter] ? `o-${word}` : "none");
    node.textContent = sign;
    if (repeats) node.append(make("small", "", `${correct(repeats)}/${scored(repeats)}`));
    const label = repeats ? `${word} by majority, correct ${correct(repeats)} of ${scored(repeats)} times` : word;
    node.title = several ? `${plain(data.models[model])}: ${label}` : label;
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
    row.setAttribute("aria-setsize", String(listed.length));
    row.style.top = `${at * ROW}px`;
    const badges = make("div", "badges");
    data.models.forEach((_, model) => {
      badges.append(badge(outcomeOf(i, model), model, flips(i, model) ? repeatsOf(i, model) : ""));
    });
    const what = make("div", "what");
    const id = make("div", "id");
    put(id, data.benchmarks.length > 1 ? `${benchmarkOf(i).name} ${nameOf(i)}` : nameOf(i));
    what.append(id, make("div", "peek", "\u00a0"));
    const side = make("div", "side");
    const answers = data.answers.filter((column) => column.outcome[i] !== "-").map((column) => column.answer[i] ?? "–");
    const extracted = make("div");
    put(extracted, data.target[i] === null ? answers.join(" ") : `${answers.join(" ")} / ${data.target[i]}`);
    extracted.title = "extracted answer / gold answer";
    const slowest = latency(i, data.models.map((_, model) => model));
    side.append(extracted, make("div", "late", slowest < 0 ? "\u00a0" : seconds(slowest)));
    row.append(badges, what, side);
    return row;
  }

  let peeking = 0;
  async function peek() {
    for (const [at, row] of [...rows]) {
      const i = listed[at], chunk = chunkOf(i), line = row.querySelector(".peek");
      if (line.dataset.filled) continue;
      try {
        const content = ready.get(chunk) || await load(chunk);
        if (!row.isConnected) continue;
        line.dataset.filled = "1";
        if (!content) continue;
        line.textContent = "";
        const { question, prompt } = textOf(content, chunk, i);
        put(line, question ? brief(question) : gist(prompt));
      } catch { return; }
    }
  }

  /* The first characters of a text, without a part of an emoji or accented letter at the end. */
  function head(text, most) {
    if (text.length <= most || !Intl.Segmenter) return text.slice(0, most);
    const clusters = [...new Intl.Segmenter().segment(text.slice(0, most + 64))];
    return clusters.filter((one) => one.index + one.segment.length <= most).map((one) => one.segment).join("");
  }

  function gist(prompt) {
    const turn = prompt.lastIndexOf("[user]\n");
    let text = prompt.slice(turn < 0 ? 0 : turn + 7);
    const first = text.slice(0, text.indexOf("\n") + 1); // skip an instruction that starts every turn
    if (turn > 0 && first && prompt.slice(0, turn).includes(`[user]\n${first}`)) text = text.slice(first.length);
    return brief(text);
  }

  function brief(text) {
    return head(text.trim(), 160).replace(/\s+/g, " ").trim() || "\u00a0";
  }

  view.addEventListener("scroll", () => draw(false), { passive: true });
  new ResizeObserver(() => {
    const height = rowHeight(), changed = height !== ROW;
    ROW = height;
    draw(changed);
  }).observe(view);
  view.addEventListener("click", (event) => {
    const row = event.target.closest(".item");
    if (row) choose([...rows].find(([, element]) => element === row)[0], true);
  });

  function choose(at, opened) {
    if (!listed.length) return;
    place = Math.max(0, Math.min(listed.length - 1, at));
    current = listed[place];
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
      choose(Math.abs(step) === Infinity ? (step < 0 ? 0 : listed.length - 1) : place + (place < 0 ? 1 : step), false);
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
      detail.replaceChildren(make("p", "quiet", `The texts cannot be shown: ${error.message}. See questions.jsonl.`));
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
      if (question.models[model]) columns.append(modelSection(i, model, question.models[model]));
    });
    return [top, names, columns, make("h4", "", "Prompt"), promptOf(question.prompt, prefix)];
  }

  function promptOf(text, prefix) {
    const box = make("pre");
    if (prefix) {
      const shared = make("span", "shared");
      shared.title = "shared with other questions of this subject";
      put(shared, prefix);
      box.append(shared);
    }
    const rest = make("span");
    put(rest, text);
    box.append(rest);
    // the question itself is at the end
    requestAnimationFrame(() => { box.scrollTop = box.scrollHeight; });
    return box;
  }

  function verdictOf(letter, answer, target, note, score) {
    const line = make("div", "verdict");
    const [word, sign] = OUTCOMES[letter];
    line.append(make("span", `chip o-${word}`, `${sign} ${word}`));
    if (note) line.append(make("span", "quiet", note));
    const pair = make("span", "pair");
    for (const [label, value] of [["answer ", answer], ["gold ", target]]) {
      if (label === "gold " && value === null) continue;
      const bold = make("b");
      put(bold, value === null ? "none" : value);
      pair.append(make("span", "quiet", (pair.childNodes.length ? " · " : "") + label), bold);
    }
    if (score !== null && score !== undefined) pair.append(make("span", "quiet", " · score "), make("b", "", score.toFixed(3)));
    line.append(pair);
    return line;
  }

  function modelSection(i, model, { answers, selector }) {
    const part = make("section");
    const name = make("h4");
    put(name, data.models[model]);
    if (several) part.append(name);
    const elected = { outcome: outcomeOf(i, model), answer: data.answers[model].answer[i], ms: data.answers[model].ms[i] };
    const many = answers.length > 1;
    part.append(verdictOf(elected.outcome, elected.answer, data.target[i], many && "by majority", score(i, [model])));
    if (many) part.append(repeatList(i, model, answers));
    else part.append(...answerBlocks(i, { ...elected, ...answers[0] }));
    part.append(make("h4", "", "Rerun this question"), rerun(benchmarkOf(i).commands[model], selector));
    return part;
  }

  /* All answers to a repeated question, each of which can be opened. */
  function repeatList(i, model, answers) {
    const box = make("div", "times");
    const letters = repeatsOf(i, model), number = scored(letters);
    const summary = data.target[i] === null || !number ? `${answers.length} answers` : `correct ${correct(letters)} of ${number} times`;
    box.append(make("div", "quiet", summary + (flips(i, model) ? " (flips)" : "")));
    for (const [at, answer] of answers.entries()) {
      const fold = make("details", "time"), head = make("summary");
      head.append(make("span", "quiet", `${at + 1} `), verdictOf(answer.outcome, answer.answer, null, "", answer.score));
      fold.append(head, ...answerBlocks(i, answer));
      box.append(fold);
    }
    return box;
  }

  /* The texts and facts of one answer. */
  function answerBlocks(i, answer) {
    const part = [facts(answer)];
    if (answer.error) part.push(make("h4", "", "Error"), block(answer.error, "failed"));
    if (answer.orders) part.push(make("h4", "", "Choice orders"), ordersOf(answer.orders));
    if (answer.scores) part.push(make("h4", "", "Choice scores"), scoresOf(answer.scores, data.target[i], answer.answer));
    if (answer.text || !answer.scores) part.push(make("h4", "", "Raw text"), answer.text ? block(answer.text) : make("div", "quiet", "empty"));
    if (answer.judge) {
      part.push(make("h4", "", `Judge ${plain(answer.judge.judge)}: ${plain(answer.judge.verdict || "no verdict")}`));
      if (answer.judge.text) part.push(block(answer.judge.text));
    }
    for (const [at, text] of (answer.more_texts || []).entries()) part.push(make("h4", "", `Raw text ${at + 2}`), block(text));
    if (answer.metrics) part.push(make("h4", "", "Metrics of the task"), block(answer.metrics));
    if (answer.reasoning) {
      const fold = make("details");
      fold.append(make("summary", "quiet", "Reasoning"), block(answer.reasoning));
      part.push(fold);
    }
    if (answer.prompt) part.push(make("h4", "", "Prompt sent to this model"), promptOf(answer.prompt));
    return part;
  }

  function facts(answer) {
    const pieces = [
      answer.ms !== null && seconds(answer.ms),
      answer.first_token_s && `first token after ${seconds(answer.first_token_s * 1000)}`,
      answer.prompt_tokens !== undefined && `${answer.prompt_tokens.toLocaleString()} prompt tokens${answer.shared_tokens ? ` (${answer.shared_tokens.toLocaleString()} shared)` : ""}`,
      answer.completion_tokens !== undefined && `${answer.completion_tokens.toLocaleString()} completion tokens`,
      answer.finish && `finish: ${answer.finish}`,
      answer.attempts && `${answer.attempts} attempts`,
      answer.cached && "from the store",
      ...(answer.notes || []),
    ];
    const line = make("div", "quiet");
    put(line, pieces.filter(Boolean).join(" · "));
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

  // ---- the address has the open question

  const fragment = () => `q=${encodeURIComponent(idOf(current))}`;
  function remember() {
    try { history.replaceState(null, "", `#${fragment()}`); } catch { /* not allowed for this address */ }
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

"use strict";
(() => {
  const about = JSON.parse(document.getElementById("cells-about").textContent);
  const where = JSON.parse(document.getElementById("cells-map").textContent);
  const box = document.getElementById("asked");
  const picture = document.getElementById("score-map");
  const mark = document.getElementById("asked-mark");
  const near = document.getElementById("asked-near");
  const form = document.getElementById("asked-form");
  const answer = document.getElementById("asked-answer");
  const RADIUS_M = 1737400;
  const AROUND = 12;
  const COLOURS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  let columns = null;
  let rowOf = null;
  let asked = null;

  const say = (text) => { answer.replaceChildren(element("p", text)); };

  function element(tag, text, name) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  }

  async function unpack() {
    const source = document.getElementById("cells-data");
    const text = atob(source.textContent.trim());
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const raw = new Uint8Array(await new Response(stream).arrayBuffer());
    const types = { float32: Float32Array, uint32: Uint32Array, int32: Int32Array, uint16: Uint16Array };
    const found = {};
    let at = 0;
    for (const [name, type] of about.columns) {
      const values = new types[type](about.cells);
      const target = new Uint8Array(values.buffer);
      const size = values.BYTES_PER_ELEMENT;
      for (let plane = 0; plane < size; plane++) {
        for (let cell = 0; cell < about.cells; cell++) target[cell * size + plane] = raw[at++];
      }
      found[name] = values;
    }
    rowOf = new Int32Array(about.width * about.height).fill(-1);
    let place = 0;
    for (let cell = 0; cell < about.cells; cell++) {
      place += found.step[cell];
      rowOf[place] = cell;
    }
    columns = found;
  }

  const toXY = (lon, lat) => {
    const rho = 2 * RADIUS_M * Math.tan((90 + lat) * Math.PI / 360);
    return [rho * Math.sin(lon * Math.PI / 180), rho * Math.cos(lon * Math.PI / 180)];
  };
  const toLonLat = (x, y) => [
    Math.atan2(x, y) * 180 / Math.PI,
    2 * Math.atan(Math.hypot(x, y) / (2 * RADIUS_M)) * 180 / Math.PI - 90,
  ];
  const expit = (odds) => 1 / (1 + Math.exp(-odds));
  const degrees = (value, plus, minus) =>
    `${Math.abs(value).toFixed(4)}° ${value >= 0 ? plus : minus}`;
  const signed = (value, digits) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
  const share = (value) => {
    if (value === 0) return "0";
    if (value > 0.9995) return "over 0.9995";
    return value >= 0.0005 ? value.toFixed(3) : value.toExponential(1).replace("-", "−");
  };

  function cellAt(x, y) {
    const column = Math.floor((x - about.x_min_m) / about.cell_m);
    const row = Math.floor((about.y_max_m - y) / about.cell_m);
    if (column < 0 || row < 0 || column >= about.width || row >= about.height) return null;
    return { row, column, index: rowOf[row * about.width + column] };
  }

  function centreOf(row, column) {
    return [
      about.x_min_m + (column + 0.5) * about.cell_m,
      about.y_max_m - (row + 0.5) * about.cell_m,
    ];
  }

  async function ask(x, y) {
    if (!columns) {
      say("Unpacking the cells…");
      try {
        await unpack();
      } catch (error) {
        say("This browser cannot unpack the cells; a newer one can. lunarsite explain answers too.");
        return;
      }
    }
    const found = cellAt(x, y);
    asked = found;
    const [lon, lat] = toLonLat(x, y);
    form.elements.lon.value = lon.toFixed(4);
    form.elements.lat.value = lat.toFixed(4);
    history.replaceState(null, "", `#cell=${lon.toFixed(4)},${lat.toFixed(4)}`);
    show(x, y);
    if (!found || found.index < 0) {
      say("No cell of the run is here.");
      near.hidden = !found;
      if (found) drawNear(found);
      return;
    }
    near.hidden = false;
    drawNear(found);
    describe(found);
  }

  function show(x, y) {
    const right = (x - where.west) / (where.east - where.west);
    const down = (where.north - y) / (where.north - where.south);
    mark.hidden = right < 0 || right > 1 || down < 0 || down > 1;
    mark.style.left = `${100 * (where.left + right * where.width)}%`;
    mark.style.top = `${100 * (where.top + down * where.height)}%`;
  }

  function describe(found) {
    const i = found.index;
    const [centreX, centreY] = centreOf(found.row, found.column);
    const [lon, lat] = toLonLat(centreX + columns.off_x_m[i], centreY + columns.off_y_m[i]);
    const odds = columns.log_odds[i];
    const parts = [
      element("h3", `${about.disc ? "Best landing disc" : "Cell"} at ${degrees(lon, "E", "W")}, ${degrees(lat, "N", "S")}`),
    ];
    if (Number.isNaN(odds)) {
      parts.push(element("p", "No score: a layer of a criterion is missing here. Unknown is not unsuitable."));
    } else {
      const rank = columns.rank[i];
      const low = rank - columns.rank_low[i];
      const high = rank + columns.rank_high[i];
      parts.push(element("p",
        `Rank ${rank.toLocaleString("en")} of ${about.scored.toLocaleString("en")} (5-95 %: ` +
        `${low.toLocaleString("en")} to ${high.toLocaleString("en")}), suitability ` +
        `${share(expit(odds))}, probability ${share(columns.probability[i])}.`));
    }
    parts.push(criteria(i));
    if (!Number.isNaN(odds)) parts.push(element("h3", "Reasons, score points"), reasons(i));
    answer.replaceChildren(...parts);
  }

  function criteria(i) {
    const table = element("table", undefined, "plain");
    const head = table.createTHead().insertRow();
    for (const title of ["Criterion", "Value", "Margin", ""]) head.append(element("th", title));
    const body = table.createTBody();
    about.criteria.forEach((criterion, number) => {
      const value = columns[`value_${number}`][i];
      const row = body.insertRow();
      const sign = criterion.sense === "at_most" ? "≤" : "≥";
      const unit = criterion.unit === "deg" ? "°" : criterion.unit ? ` ${criterion.unit}` : "";
      row.append(element("th", `${criterion.title} ${sign} ${criterion.limit}${unit}`));
      if (Number.isNaN(value)) {
        row.append(element("td", "unknown"), element("td", ""), element("td", ""));
        return;
      }
      const margin = criterion.sense === "at_most" ? criterion.limit - value : value - criterion.limit;
      const holds = (columns.holds[i] >> number) & 1;
      row.append(element("td", value.toFixed(2) + unit), element("td", signed(margin, 2) + unit));
      const verdict = element("td");
      verdict.append(element("span", holds ? "met" : "not met", `mark ${holds ? "good" : "bad"}`));
      row.append(verdict);
    });
    return table;
  }

  function reasons(i) {
    const base = expit(about.base_log_odds);
    const odds = about.features.map((_, number) => columns[`reason_${number}`][i]);
    const total = odds.reduce((sum, value) => sum + value, 0);
    const factor = Math.abs(total) < 1e-9
      ? base * (1 - base) : (expit(about.base_log_odds + total) - base) / total;
    const points = odds.map((value) => 100 * value * factor);
    const widest = Math.max(...points.map(Math.abs), 1e-9);
    const table = element("table", undefined, "plain bars");
    const order = points.map((_, number) => number);
    order.sort((a, b) => Math.abs(points[b]) - Math.abs(points[a]));
    for (const number of order) {
      const row = table.insertRow();
      row.append(element("th", about.features[number]));
      row.append(element("td", signed(points[number], 1), "number"));
      const bar = element("div", undefined, points[number] < 0 ? "bar less" : "bar more");
      bar.style.width = `${100 * Math.abs(points[number]) / widest}%`;
      const cell = element("td");
      cell.append(bar);
      row.append(cell);
    }
    const note = element("p",
      `They start from ${share(base)} and add up to the suitability.`, "faint");
    const both = element("div");
    both.append(table, note);
    return both;
  }

  function drawNear(found) {
    const side = 2 * AROUND + 1;
    const cells = [];
    let low = Infinity;
    let high = -Infinity;
    for (let down = -AROUND; down <= AROUND; down++) {
      for (let right = -AROUND; right <= AROUND; right++) {
        const row = found.row + down;
        const column = found.column + right;
        const outside = row < 0 || column < 0 || row >= about.height || column >= about.width;
        const index = outside ? -1 : rowOf[row * about.width + column];
        const odds = index < 0 ? NaN : columns.log_odds[index];
        if (!Number.isNaN(odds)) { low = Math.min(low, odds); high = Math.max(high, odds); }
        cells.push(odds);
      }
    }
    const pixel = Math.floor(near.width / side);
    const draw = near.getContext("2d");
    draw.clearRect(0, 0, near.width, near.height);
    cells.forEach((odds, place) => {
      draw.fillStyle = Number.isNaN(odds) ? "#d9dce0" : colour((odds - low) / Math.max(high - low, 1e-9));
      draw.fillRect((place % side) * pixel, Math.floor(place / side) * pixel, pixel, pixel);
    });
    draw.strokeStyle = "#ffffff";
    draw.lineWidth = 2;
    draw.strokeRect(AROUND * pixel, AROUND * pixel, pixel, pixel);
  }

  function colour(part) {
    const at = Math.min(Math.max(part, 0), 1) * (COLOURS.length - 1);
    const first = Math.min(Math.floor(at), COLOURS.length - 2);
    const mix = COLOURS[first].map((value, n) =>
      Math.round(value + (at - first) * (COLOURS[first + 1][n] - value)));
    return `rgb(${mix.join(",")})`;
  }

  function askPixel(event) {
    const frame = picture.getBoundingClientRect();
    const right = ((event.clientX - frame.left) / frame.width - where.left) / where.width;
    const down = ((event.clientY - frame.top) / frame.height - where.top) / where.height;
    if (right < 0 || right > 1 || down < 0 || down > 1) return;
    ask(where.west + right * (where.east - where.west), where.north - down * (where.north - where.south));
  }

  function askNear(event) {
    if (!asked) return;
    const frame = near.getBoundingClientRect();
    const side = 2 * AROUND + 1;
    const column = asked.column + Math.floor((event.clientX - frame.left) / frame.width * side) - AROUND;
    const row = asked.row + Math.floor((event.clientY - frame.top) / frame.height * side) - AROUND;
    ask(...centreOf(row, column));
  }

  function move(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const step = steps[event.key];
    if (!step || !asked) return;
    event.preventDefault();
    ask(...centreOf(asked.row + step[0], asked.column + step[1]));
  }

  function askPlace(lon, lat) {
    if (!(lat < 0 && lat >= -90) || !Number.isFinite(lon)) {
      say("Write degrees: longitude east, and a latitude from -90 to 0.");
      return;
    }
    ask(...toXY(lon, lat));
  }

  function fromHash() {
    // Programs that pass addresses on may write the comma, which separates, as %2C.
    const found = /^#cell=([^,]+),([^,]+)$/.exec(location.hash.replace(/%2C/i, ","));
    if (found) askPlace(Number(found[1]), Number(found[2]));
  }

  box.hidden = false;
  picture.classList.add("clickable");
  picture.addEventListener("click", askPixel);
  near.addEventListener("click", askNear);
  near.addEventListener("keydown", move);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { lon, lat } = form.elements;
    askPlace(lon.value.trim() ? Number(lon.value) : NaN, Number(lat.value));
  });
  window.addEventListener("hashchange", fromHash);
  fromHash();
})();

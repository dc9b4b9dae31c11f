// What can be measured of a page: what is wrong with its structure, and how its colours stand out.
(() => {
  const isShown = (each) =>
    each.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !each.closest("[aria-hidden=true]");
  const all = (selector) => [...document.querySelectorAll(selector)].filter(isShown);
  const named = (each) =>
    (each.getAttribute("aria-label") || each.textContent || "").trim() ||
    [...each.querySelectorAll("img")].map((img) => img.alt).join("").trim();
  const short = (each) => each.outerHTML.slice(0, 90);

  function structure() {
    const wrong = [];
    const must = (is, what) => is || wrong.push(what);
    const one = (selector) => must(all(selector).length === 1, `${all(selector).length} × ${selector}`);
    must(document.documentElement.lang, "no language");
    must(document.title.trim(), "no title");
    must(document.querySelector("meta[name=viewport]"), "no viewport");
    ["h1", "main", "body > header", "body > footer"].forEach(one);
    all("nav").forEach((each) => must(each.getAttribute("aria-label"), `a nameless ${short(each)}`));
    const levels = all("h1, h2, h3, h4, h5, h6").map((each) => Number(each.tagName[1]));
    levels.reduce((before, level) => (must(level <= before + 1, `h${before} then h${level}`), level), levels[0] === 1 ? 1 : 0);
    all("input:not([type=hidden]), select, textarea").forEach((each) => must(each.labels.length || each.ariaLabel, `no label: ${short(each)}`));
    all("a, button, summary").forEach((each) => must(named(each), `nothing to click on: ${short(each)}`));
    document.querySelectorAll("img").forEach((each) => must(each.hasAttribute("alt"), `no alt: ${short(each)}`));
    all("iframe").forEach((each) => must(each.title, `no title: ${short(each)}`));
    const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
    ids.forEach((id, at) => must(ids.indexOf(id) === at, `twice: #${id}`));
    document.querySelectorAll("[aria-labelledby], [aria-describedby]").forEach((each) =>
      `${each.getAttribute("aria-labelledby") || ""} ${each.getAttribute("aria-describedby") || ""}`
        .split(" ").filter(Boolean).forEach((id) => must(ids.includes(id), `points to nothing: #${id}`)));
    // WCAG 2.2, 2.5.8; links within a sentence are excepted, and a label around a button is pressed with it.
    all("button, input:not([type=hidden]), .button, nav a").forEach((each) => {
      const { width, height } = (each.matches("[type=radio], [type=checkbox]") && each.closest("label") || each).getBoundingClientRect();
      must(Math.min(width, height) >= 24, `${Math.round(width)} × ${Math.round(height)} is small: ${short(each)}`);
    });
    return wrong;
  }

  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  // Any colour that CSS can write, as red, green, blue and opacity.
  function channels(colour) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  }
  const over = (above, below) => [0, 1, 2].map((at) => above[at] * above[3] + below[at] * (1 - above[3])).concat(1);
  function ground(each) {
    const layers = [];
    for (let at = each; at; at = at.parentElement) layers.push(channels(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, above) => over(above, below), channels("Canvas"));
  }
  const luminance = (colour) =>
    colour.slice(0, 3).map((each) => each / 255).map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
      .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  function contrast(colour, below) {
    const [low, high] = [luminance(over(channels(colour), below)), luminance(below)].sort((a, b) => a - b);
    return Math.round(((high + 0.05) / (low + 0.05)) * 100) / 100;
  }

  function texts() {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const each = walker.currentNode.parentElement;
      if (walker.currentNode.data.trim() && isShown(each))
        found.push([contrast(getComputedStyle(each).color, ground(each)), `${short(each)}`]);
    }
    return found;
  }
  // What is not text, but has to be seen: fields, their hints, and where the focus is.
  function others() {
    return all("input:not([type=hidden])").flatMap((each) => {
      each.focus();
      const style = getComputedStyle(each);
      return [
        [contrast(getComputedStyle(each, "::placeholder").color, ground(each)), `the hint in ${short(each)}`],
        [contrast(style.borderTopColor, ground(each.parentElement)), `the edge of ${short(each)}`],
        [contrast(style.outlineColor, ground(each.parentElement)), `the focus on ${short(each)}`],
      ];
    });
  }
  return { structure: structure(), texts: texts(), others: others() };
})()

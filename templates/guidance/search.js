const heading = [...document.querySelectorAll("h2")][0];
const box = document.createElement("form");
box.setAttribute("role", "search");
box.innerHTML = '<label for="words">Search the guidance</label><input id="words" type="search" autocomplete="off"><p id="count" role="status"></p><ul id="found"></ul>';
heading.before(box);
const words = document.getElementById("words"), found = document.getElementById("found"), count = document.getElementById("count");
function search() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter((each) => each);
  found.replaceChildren();
  count.textContent = "";
  if (!wanted.length) return;
  const hits = [];
  for (const page of pages) {
    const title = page.title.toLowerCase(), text = page.text.toLowerCase();
    if (!wanted.every((each) => title.includes(each) || text.includes(each))) continue;
    const worth = wanted.reduce((sum, each) => sum + (title.includes(each) ? 100 : 0) + Math.min(text.split(each).length - 1, 20), 0);
    const at = Math.max(0, text.indexOf(wanted.find((each) => text.includes(each)) || "") - 60);
    hits.push({ page, worth, part: page.text.slice(at, at + 160) });
  }
  hits.sort((one, other) => other.worth - one.worth);
  count.textContent = hits.length ? `${hits.length} ${hits.length === 1 ? "page" : "pages"}${hits.length > 20 ? ", the first 20 of them" : ""}` : "No page has all these words. Try fewer of them.";
  for (const hit of hits.slice(0, 20)) {
    const line = document.createElement("li"), link = document.createElement("a");
    link.href = hit.page.path;
    link.textContent = hit.page.title;
    line.append(link, ` … ${hit.part} …`);
    found.append(line);
  }
}
words.addEventListener("input", search);
box.addEventListener("submit", (event) => { event.preventDefault(); search(); });

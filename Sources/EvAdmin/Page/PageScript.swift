// The page's script, its first part: how it stays live, and what the tables are made with.

extension Page {
    static let script = #"""
        "use strict";
        // Law: everything that comes from the server becomes text, by `textContent`, and never markup. A row is changed
        // and not made anew while the page is live, so that the focus and a selection stay where they are.
        const PERIOD = 1000;    // milliseconds from an answer to the next question
        const PATIENCE = 4000;  // milliseconds after which a question counts as lost
        const at = (id) => document.getElementById(id);

        function element(name, properties = {}, ...children) {
          const made = Object.assign(document.createElement(name), properties);
          made.append(...children);
          return made;
        }

        function say(node, text) {
          if (node.textContent !== text) node.textContent = text;
        }

        /// Makes `parent` have one child for each item, in their order; a child stays the same while its key does.
        function fill(parent, items, key, make, change) {
          const known = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]));
          let next = parent.firstElementChild;
          for (const item of items) {
            const name = String(key(item));
            let child = known.get(name);
            known.delete(name);
            if (!child) {
              child = make(item);
              child.dataset.key = name;
            }
            if (child === next) next = next.nextElementSibling; else parent.insertBefore(child, next);
            change(child, item);
          }
          for (const child of known.values()) child.remove();
        }

        // Texts

        const number = (value) => value === null || value === undefined ? "–" : value.toLocaleString("en");
        const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;

        function duration(seconds) {
          if (seconds === null || seconds === undefined) return "–";
          if (seconds < 10) return `${seconds.toFixed(1)} s`;
          if (seconds < 60) return `${Math.floor(seconds)} s`;
          const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
          if (hours < 1) return `${minutes} min ${Math.floor(seconds % 60)} s`;
          if (days < 1) return `${hours} h ${minutes % 60} min`;
          return `${days} d ${hours % 24} h`;
        }

        function size(bytes) {
          if (bytes === null || bytes === undefined) return "–";
          if (bytes < 1000) return `${bytes} B`;
          const units = ["KB", "MB", "GB", "TB"];
          let value = bytes / 1000, unit = 0;
          while (value >= 999.5 && unit < 3) { value /= 1000; unit += 1; }
          return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
        }

        function rate(value, unit) {
          return value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : number(Math.round(value))}${unit}`;
        }

        function clock(seconds) {
          const date = new Date(seconds * 1000);
          const digits = (value) => String(value).padStart(2, "0");
          const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(digits).join(":");
          const isToday = date.toDateString() === new Date().toDateString();
          const day = [date.getFullYear(), digits(date.getMonth() + 1), digits(date.getDate())].join("-");
          return isToday ? time : `${day} ${time}`;
        }

        const TONES = {
          ready: "good", serving: "good", stuck: "bad", booting: "info", starting: "info", reloading: "info",
          leaving: "warn", draining: "warn", stopping: "warn", app: "info", queued: "warn", writing: "warn",
          hang: "bad", signal: "bad", exit: "warn", boot_failure: "bad", error: "bad", critical: "bad", warning: "warn",
        };

        function chip(node, word) {
          node.className = `chip ${TONES[word] || ""}`;
          say(node, word.replaceAll("_", " "));
        }

        /// A cell that is named again where the table is shown as cards.
        function cell(label, kind = "", content = []) {
          const made = element("td", { className: kind }, ...content);
          if (label) made.dataset.label = label;
          return made;
        }

        function requestText(one) {
          return one.method === null ? "" : `${one.method} ${one.target ?? ""}`;
        }

        // Staying live

        let last = null;        // the status before this one
        let lostSince = null;
        let timer = 0;

        /// The server answers, but not with what was asked for.
        class Refusal extends Error {}

        async function get(path) {
          const controller = new AbortController();
          const limit = setTimeout(() => controller.abort(), PATIENCE);
          try {
            const answer = await fetch(path, { signal: controller.signal, cache: "no-store" });
            if (!answer.ok) throw new Refusal(`It says: ${answer.status} ${(await answer.text()).trim()}`);
            return await answer.json();
          } finally {
            clearTimeout(limit);
          }
        }

        /// - problem: null while the server answers.
        function showLife(problem) {
          const isLost = problem !== null;
          const live = at("live");
          live.dataset.live = isLost ? "lost" : "live";
          say(live, isLost ? "lost" : "live");
          lostSince = isLost ? lostSince ?? Date.now() / 1000 : null;
          // It stays as it is while the server is lost, because it is read aloud whenever it changes.
          if (isLost) {
            say(at("lost"), `Since ${clock(lostSince)} the server has not answered, and what is shown is from before. `
              + problem);
          }
          at("lost").hidden = !isLost;
          document.body.classList.toggle("lost", isLost);
        }

        async function turn() {
          clearTimeout(timer);
          try {
            const status = await get("status");
            show(status, last);
            last = status;
            showLife(null);
          } catch (error) {
            showLife(error instanceof Refusal ? error.message : "");
          }
          await showDetail();
          // Nobody looks at a page that is hidden.
          if (!document.hidden) timer = setTimeout(turn, PERIOD);
        }

        document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });

        """#
}

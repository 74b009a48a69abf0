// The page's script, its third part: the connections and the stacks of one worker, asked for while somebody looks.

extension Page {
    static let details = #"""
        const ROWS = 300;       // of a table of many thousands
        let hasStacks = false;
        let detail = null;      // what is looked at: its kind, the worker, and the button that opened it

        /// Opens what a button is about, or closes it.
        function look(kind, worker, button) {
          if (detail && detail.kind === kind && detail.worker === worker) return closeDetail();
          detail = { kind, worker, button };
          markButtons();
          at("detail").hidden = false;
          at("connections").hidden = at("filters").hidden = kind !== "connections";
          at("stacks").hidden = kind !== "stacks";
          at("connections").tBodies[0].replaceChildren();
          at("stacks").replaceChildren();
          say(at("detail-title"), `${kind === "stacks" ? "Stacks" : "Connections"} of worker ${worker}`);
          say(at("detail-about"), "asking");
          at("detail").focus({ preventScroll: true });
          at("detail").scrollIntoView({ block: "nearest" });
          showDetail();
        }

        function closeDetail() {
          const button = detail?.button;
          detail = null;
          markButtons();
          at("detail").hidden = true;
          if (button?.isConnected) button.focus();
        }

        function markButtons() {
          for (const button of document.querySelectorAll("#workers button")) {
            button.setAttribute("aria-expanded", String(detail?.button === button));
          }
        }

        async function showDetail() {
          const asked = detail;
          if (!asked) return;
          try {
            const answer = await get(`${asked.kind}?worker=${asked.worker}`);
            // Somebody may have turned to something else meanwhile.
            if (detail !== asked) return;
            if (asked.kind === "stacks") showStacks(answer.workers); else showConnections(answer.workers);
          } catch (error) {
            if (detail === asked) say(at("detail-about"), "The server has not answered.");
          }
        }

        function isShown(one, state, text) {
          if (state && one.state !== state) return false;
          if (!text) return true;
          return [one.peer, one.client, requestText(one)].some((part) => (part ?? "").toLowerCase().includes(text));
        }

        function showConnections(workers) {
          const all = workers.flatMap((worker) => worker.connections.map((one) => ({ ...one, pid: worker.pid })))
            // Those with something to do come first, each kind with the oldest before the others.
            .sort((one, other) => (one.state === "idle") - (other.state === "idle"));
          showStates(all);
          const text = at("filter-text").value.trim().toLowerCase(), state = at("filter-state").value;
          const found = all.filter((one) => isShown(one, state, text));
          const rows = found.slice(0, ROWS);
          const make = () => element("tr", {}, cell("State", "", [element("span")]), cell("For", "number"),
            cell("Request", "request whole", [element("span", { className: "clip" })]),
            cell("Peer", "peer whole", [element("span", { className: "nowrap" }), element("small")]),
            cell("In", "number"), cell("Out", "number"), cell("Waits for", "whole"));
          const seen = new Map();
          const key = (one) => {
            const name = `${one.pid} ${one.id} ${one.peer}`;
            seen.set(name, (seen.get(name) ?? 0) + 1);
            return `${name} ${seen.get(name)}`;
          };
          fill(at("connections").tBodies[0], rows, key, make, (row, one) => {
            const [state, since, request, peer, inward, outward, waits] = row.cells;
            chip(state.firstElementChild, one.state);
            say(since, duration(one.since));
            say(request.firstElementChild, requestText(one));
            request.title = requestText(one);
            request.classList.toggle("vacant", one.method === null);
            say(peer.firstElementChild, one.peer);
            say(peer.lastElementChild, one.client === null ? "" : `for ${one.client}`);
            say(inward, size(one.bytes_in));
            say(outward, size(one.bytes_out));
            for (const node of [inward, outward]) node.classList.toggle("vacant", one.bytes_in === null);
            say(waits, one.waits_for);
          });
          say(at("detail-about"), workers.map((worker) => aboutTable(worker, found.length, rows.length)).join(" ")
            || "This worker has ended.");
        }

        function aboutTable(worker, found, shown) {
          const open = `${plural(worker.total, "connection")} of process ${worker.pid}`;
          const few = shown < found ? ` The first ${shown} of ${number(found)} are shown.` : "";
          if (worker.source === "live") return `${open}.${few}`;
          const age = duration(worker.as_of);
          return `${open}. It does not answer: these are the oldest and the newest that had something to do `
            + `${age} ago, and the request that it has entered last.${few}`;
        }

        /// The states that there are, as choices.
        function showStates(all) {
          const counts = new Map();
          for (const one of all) counts.set(one.state, (counts.get(one.state) ?? 0) + 1);
          const chosen = at("filter-state").value;
          const states = [...new Set([...counts.keys(), ...(chosen ? [chosen] : [])])].sort();
          const make = (state) => element("option", { value: state });
          fill(at("filter-state"), ["", ...states], (state) => state, make, (option, state) => {
            say(option, state === "" ? `all (${number(all.length)})` : `${state} (${number(counts.get(state) ?? 0)})`);
          });
        }

        function showStacks(workers) {
          const parts = workers.flatMap((worker) => [
            ...(worker.stacks ?? []).map((one, index) => ({
              key: `${worker.pid} ${index}`, title: stackTitle(one), text: (one.frames ?? []).join("\n"),
            })),
            ...(worker.text
              ? [{ key: `${worker.pid} text`, title: "As the interpreter wrote it", text: worker.text }] : []),
          ]);
          const make = () => element("article", {}, element("h3"), element("pre", { tabIndex: 0 }));
          fill(at("stacks"), parts, (one) => one.key, make, (node, one) => {
            say(node.firstElementChild, one.title);
            say(node.lastElementChild, one.text);
          });
          const about = (worker) => worker.source === "live"
            ? `${plural((worker.stacks ?? []).length, "stack")} of process ${worker.pid}.`
            : `Process ${worker.pid} stands still: this is what a signal has made it write.`;
          say(at("detail-about"), workers.map(about).join(" ") || "This worker has ended.");
        }

        function stackTitle(one) {
          const request = one.request;
          const name = [one.kind, one.name].filter(Boolean).join(" ");
          if (!request) return name;
          const line = [request.method, request.target].filter(Boolean).join(" ");
          return `${name}: ${line}` + (request.client ? `, for ${request.client}` : "")
            + (typeof request.age === "number" ? `, ${duration(request.age)}` : "");
        }

        at("close").addEventListener("click", closeDetail);
        at("filter-state").addEventListener("change", () => showDetail());
        at("filter-text").addEventListener("input", () => showDetail());
        document.addEventListener("keydown", (event) => {
          if (event.key === "Escape" && detail) closeDetail();
        });

        /// A server that has stacks refuses the method, and one that has none knows no such path.
        async function begin() {
          try {
            hasStacks = (await fetch("stacks", { method: "OPTIONS" })).status === 405;
          } catch { /* it will be seen that the server is not there */ }
          turn();
        }

        begin();
        """#
}

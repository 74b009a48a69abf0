// The page's script, its second part: the status as tiles, workers, requests and events.

extension Page {
    static let tables = #"""
        // What has grown since the status before, in a second.
        function rates(status, before) {
          const seconds = before ? status.time - before.time : 0;
          const former = new Map((before?.workers ?? []).map((worker) => [worker.pid, worker]));
          const found = new Map();
          for (const worker of status.workers) {
            const old = former.get(worker.pid);
            if (!old || seconds <= 0) continue;
            const rates = { requests: (worker.requests - old.requests) / seconds };
            if (worker.cpu !== null && old.cpu !== null) rates.cpu = Math.max(0, worker.cpu - old.cpu) / seconds * 100;
            found.set(worker.pid, rates);
          }
          return found;
        }

        const sum = (items, value) => items.reduce((total, item) => total + (value(item) ?? 0), 0);

        /// How busy a worker is, steadied over some seconds.
        const steady = new Map();

        function steadied(fresh) {
          for (const pid of steady.keys()) if (!fresh.has(pid)) steady.delete(pid);
          for (const [pid, rates] of fresh) {
            const old = steady.get(pid);
            const mixed = {};
            for (const name of Object.keys(rates)) {
              mixed[name] = old && old[name] !== undefined ? old[name] * 0.5 + rates[name] * 0.5 : rates[name];
            }
            steady.set(pid, mixed);
          }
          return steady;
        }

        function show(status, before) {
          const grown = steadied(rates(status, before));
          const name = status.application || "evgateway";
          say(at("application"), name);
          document.title = status.workers.some((worker) => worker.stuck) ? `stuck: ${name}` : name;
          at("state").hidden = false;
          chip(at("state"), status.state);
          say(at("about"), [
            `class ${status.worker_class}`, `at ${status.binds.join(", ")}`,
            `started ${clock(status.started)}, ${duration(status.time - status.started)} ago`,
            `master ${status.master}`,
          ].join(" · "));
          say(at("version"), `evgateway ${status.version}`);
          showTiles(status, grown);
          showWorkers(status.workers, grown);
          showSlowest(status.workers);
          showLog("restarts", status.restarts, (one) => one.cause);
          showLog("events", status.events, (one) => one.level);
        }

        function showTiles(status, grown) {
          const workers = status.workers;
          const ready = workers.filter((one) => one.state === "ready" && !one.stuck).length;
          const stuck = workers.filter((one) => one.stuck).length;
          const all = [...grown.values()];
          const perSecond = all.length ? sum(all, (one) => one.requests) : undefined;
          const cpu = all.length ? sum(all, (one) => one.cpu) : undefined;
          const memory = workers.some((one) => one.pss !== null) ? (one) => one.pss ?? one.rss : (one) => one.rss;
          const open = sum(workers, (one) => one.connections), limit = sum(workers, (one) => one.connections_limit);
          const tiles = [
            ["Workers ready", `${ready} of ${status.target_workers}`, stuck ? `${plural(stuck, "worker")} stuck` : "",
              stuck > 0 || ready === 0],
            ["Requests", rate(perSecond, "/s"), `${number(sum(workers, (one) => one.requests))} by these workers`],
            ["In flight", number(sum(workers, (one) => one.in_flight)), ""],
            ["Connections", number(open), `of at most ${number(limit)}`, limit > 0 && open >= limit],
            ["Accept queue", number(status.accept_queue),
              status.accept_queue === null ? "not known here" : "wait to be let in", (status.accept_queue ?? 0) > 100],
            ["CPU", rate(cpu, " %"), "of one processor"],
            ["Memory", size(sum(workers, memory)),
              workers.some((one) => one.pss !== null) ? "shared pages divided" : "resident"],
          ];
          const make = ([label]) => element("div", {}, element("dt", { textContent: label }),
            element("dd", {}, element("span"), element("small")));
          fill(at("tiles"), tiles, ([label]) => label, make, (tile, [, value, note, isAlarm]) => {
            const shown = tile.lastElementChild;
            say(shown.firstElementChild, value);
            say(shown.lastElementChild, note);
            shown.classList.toggle("alarm", Boolean(isAlarm));
          });
        }

        // Workers

        function makeWorker(worker) {
          const button = (text, kind) => {
            const made = element("button", { type: "button", textContent: text });
            made.dataset.kind = kind;
            made.setAttribute("aria-label", `${text} of worker ${worker.worker}, process ${worker.pid}`);
            made.addEventListener("click", () => look(kind, worker.worker, made));
            return made;
          };
          const name = element("th", { scope: "row" }, element("span"), element("small"));
          const bar = element("div", { className: "bar" });
          bar.setAttribute("role", "img");
          for (const kind of ["flight", "sockets", "other", "idle"]) bar.append(element("span", { className: kind }));
          const stacks = button("Stacks", "stacks");
          stacks.hidden = !hasStacks;
          return element("tr", {}, name,
            cell("State", "", [element("span"), element("small")]),
            cell("Connections", "whole", [bar, element("small")]),
            cell("In flight", "number"),
            cell("Requests", "number", [element("span"), element("small")]),
            cell("CPU", "number"),
            cell("Memory", "number", [element("span"), element("small")]),
            cell("Longest request", "request whole", [element("span", { className: "clip" }), element("small")]),
            cell("", "whole", [
              element("div", { className: "buttons" }, button("Connections", "connections"), stacks),
            ]));
        }

        function showWorkers(workers, grown) {
          fill(at("workers").tBodies[0], workers, (one) => one.pid, makeWorker, (row, worker) => {
            const [name, state, connections, flight, requests, cpu, memory, longest] = row.cells;
            const rates = grown.get(worker.pid) ?? {};
            say(name.firstElementChild, `Worker ${worker.worker}`);
            say(name.lastElementChild, `pid ${worker.pid}, ${worker.age === 1 ? "the first" : `number ${worker.age}`}`);
            chip(state.firstElementChild, worker.stuck ? "stuck" : worker.state);
            say(state.lastElementChild,
              worker.stuck ? `silent for ${duration(worker.silence)}` : `for ${duration(worker.uptime)}`);
            showBar(connections, worker);
            say(flight, number(worker.in_flight));
            say(requests.firstElementChild, rate(rates.requests, "/s"));
            say(requests.lastElementChild, number(worker.requests));
            say(cpu, rate(rates.cpu, " %"));
            say(memory.firstElementChild, size(worker.pss ?? worker.rss));
            say(memory.lastElementChild, worker.pss === null ? "resident" : `${size(worker.rss)} resident`);
            showLongest(longest, worker);
          });
        }

        function showBar(node, worker) {
          const [bar, note] = node.children;
          const limit = Math.max(worker.connections_limit, worker.connections, 1);
          const other = Math.max(0, worker.connections - worker.in_flight - worker.idle);
          const flight = Math.max(0, worker.in_flight - worker.websockets);
          const parts = [flight, Math.min(worker.websockets, worker.connections), other, worker.idle];
          Array.from(bar.children).forEach((part, index) => {
            // What there is can be seen, however few.
            part.style.width = parts[index] > 0 ? `max(3px, ${parts[index] / limit * 100}%)` : "0";
          });
          const open = `${number(worker.connections)} of ${number(worker.connections_limit)}`;
          say(note, `${open}, ${number(worker.idle)} idle`);
          bar.setAttribute("aria-label", `${note.textContent}, ${plural(worker.websockets, "WebSocket")}`);
        }

        function showLongest(node, worker) {
          // The one that it entered last, where it stands still: nothing else can be longest before that one ends.
          const one = worker.stuck && worker.current ? worker.current : worker.longest;
          const isRunning = one && worker.in_flight > 0;
          node.classList.toggle("vacant", !isRunning);
          say(node.firstElementChild, isRunning ? one.line.replace(/ HTTP\/1\.[01]$/, "") : "");
          say(node.lastElementChild, isRunning ? `for ${duration(one.age)}` : "");
        }

        // Requests

        function showSlowest(workers) {
          const requests = workers.flatMap((worker) => worker.slowest.map((one) => ({ ...one, worker })))
            .sort((one, other) => (other.since ?? 0) - (one.since ?? 0)).slice(0, 15);
          const seen = new Map();
          const key = (one) => {
            const name = `${one.worker.pid} ${one.id} ${one.target}`;
            seen.set(name, (seen.get(name) ?? 0) + 1);
            return `${name} ${seen.get(name)}`;
          };
          const make = () => element("tr", {}, cell("For", "number"), cell("State", "", [element("span")]),
            cell("Request", "request whole", [element("span", { className: "clip" })]), cell("Client", "peer nowrap"),
            cell("Worker", "nowrap"), cell("Waits for", "whole"));
          fill(at("slowest").tBodies[0], requests, key, make, (row, one) => {
            const [age, state, request, client, worker, waits] = row.cells;
            say(age, duration(one.since));
            chip(state.firstElementChild, one.state);
            say(request.firstElementChild, requestText(one));
            request.title = requestText(one);
            say(client, one.client ?? one.peer);
            say(worker, `${one.worker.worker}`);
            say(waits, one.waits_for);
          });
          at("slowest").hidden = requests.length === 0;
          at("no-slowest").hidden = requests.length > 0;
        }

        // What has happened

        function showLog(id, events, word) {
          const seen = new Map();
          const key = (one) => {
            const name = `${one.time} ${one.pid} ${one.text}`;
            seen.set(name, (seen.get(name) ?? 0) + 1);
            return `${name} ${seen.get(name)}`;
          };
          const make = (one) => {
            const time = element("time", { textContent: clock(one.time) });
            time.dateTime = new Date(one.time * 1000).toISOString();
            const kind = element("span");
            chip(kind, word(one) ?? "");
            return element("li", {}, time, kind, element("span", { className: "text", textContent: one.text }));
          };
          fill(at(id), events.slice().reverse(), key, make, () => {});
          at(`no-${id}`).hidden = events.length > 0;
        }

        """#
}

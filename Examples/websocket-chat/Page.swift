// The page of the chat. It connects again whenever its connection is lost, after a random pause.

let page: StaticString = #"""
    <!doctype html>
    <html lang="en">
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Chat</title>
    <link rel="icon" href="data:,">
    <style>
    body { display: flex; flex-direction: column; box-sizing: border-box; height: 100dvh; max-width: 40rem;
      margin: 0 auto; padding: 1rem; gap: .8rem; font: 1rem/1.45 system-ui, sans-serif; }
    #log { flex: 1; overflow-y: auto; margin: 0; padding: 0; list-style: none; overflow-wrap: anywhere; }
    #log li { white-space: pre-wrap; padding: .15rem 0; }
    #log .news, #state { color: GrayText; }
    form { display: flex; flex-wrap: wrap; gap: .5rem; }
    input, button { font: inherit; padding: .5rem; min-width: 0; }
    #name { width: 8rem; } #text { flex: 1; }
    </style>
    <span id="state" role="status" data-state="offline">offline</span>
    <ol id="log" role="log" aria-label="Messages" tabindex="0"></ol>
    <form id="form">
      <input id="name" aria-label="Your name" placeholder="Your name" maxlength="20" required>
      <input id="text" aria-label="Message" placeholder="Message" maxlength="500" autocomplete="off" required>
      <button id="send">Send</button>
    </form>
    <noscript>This chat needs JavaScript.</noscript>
    <script>
    "use strict";
    const SHORTEST = 500, LONGEST = 15000;  // the pause between attempts, in milliseconds
    const at = (id) => document.getElementById(id);
    let socket = null, pause = SHORTEST, timer = 0;

    function showState(state) {
      at("state").dataset.state = at("state").textContent = state;
    }

    // As text, never as HTML.
    function show(kind, name, text) {
      const item = document.createElement("li");
      item.className = kind === "said" ? "said" : "news";
      item.textContent = kind === "said" ? name + ": " + text : name + (kind === "came" ? " has come" : " has left");
      at("log").append(item);
      item.scrollIntoView();
    }

    function connect() {
      clearTimeout(timer);
      showState("connecting");
      const present = socket = new WebSocket(new URL("chat", location.href.replace(/^http/, "ws")));
      present.onopen = () => {
        pause = SHORTEST;
        at("log").replaceChildren();  // the server tells again what was said last
        present.send(at("name").value.trim());
        showState("connected");
      };
      present.onmessage = (event) => {
        const [kind, name, ...text] = event.data.split("\n");
        show(kind, name, text.join("\n"));
      };
      present.onclose = (event) => {
        if (event.code === 1008) { socket = null; return showState(event.reason); }
        showState("reconnecting");
        // A random pause, so that not all pages come back at the same moment after the server was away.
        timer = setTimeout(connect, pause * (0.5 + Math.random()));
        pause = Math.min(pause * 2, LONGEST);
      };
    }

    at("form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!socket || socket.readyState !== WebSocket.OPEN) return;
      socket.send(at("text").value);
      at("text").value = "";
    });
    at("name").addEventListener("change", () => {
      try { localStorage.setItem("chat-name", at("name").value); } catch {}
      // A name is told once: with another one the page comes anew.
      if (socket) socket.close(); else if (at("name").value.trim()) connect();
    });
    addEventListener("online", () => { if (timer && socket.readyState === WebSocket.CLOSED) connect(); });
    try { at("name").value = localStorage.getItem("chat-name") || ""; } catch {}
    if (at("name").value.trim()) connect();
    </script>
    </html>
    """#

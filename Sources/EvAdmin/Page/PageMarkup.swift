// The page's frame. What it shows is filled in by its script.

extension Page {
    static let markup = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>evgateway</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="page.css">
        <script src="page.js" defer></script>
        </head>
        <body>
        <header>
          <div>
            <h1><span id="application">evgateway</span> <span class="chip" id="state" hidden></span></h1>
            <p class="quiet" id="about"></p>
          </div>
          <p id="live" role="status" data-live="connecting">connecting</p>
        </header>
        <main>
          <p id="lost" role="alert" hidden></p>
          <dl id="tiles"></dl>
          <section aria-labelledby="workers-title">
            <h2 id="workers-title">Workers</h2>
            <p class="legend" aria-hidden="true">
              <span class="key flight"></span>in flight <span class="key sockets"></span>WebSockets
              <span class="key other"></span>other <span class="key idle"></span>idle
            </p>
            <table id="workers" class="stacked">
              <thead><tr>
                <th scope="col">Worker</th><th scope="col">State</th><th scope="col">Connections</th>
                <th scope="col" class="number">In flight</th><th scope="col" class="number">Requests</th>
                <th scope="col" class="number">CPU</th><th scope="col" class="number">Memory</th>
                <th scope="col">Longest request</th><th scope="col"><span class="unseen">Look closer</span></th>
              </tr></thead>
              <tbody></tbody>
            </table>
          </section>
          <section id="detail" aria-labelledby="detail-title" tabindex="-1" hidden>
            <div class="bar-of-tools">
              <h2 id="detail-title"></h2>
              <button type="button" id="close">Close</button>
            </div>
            <p class="quiet" id="detail-about"></p>
            <div id="filters" class="filters">
              <label>State <select id="filter-state"><option value="">all</option></select></label>
              <label>With <input id="filter-text" type="search" autocomplete="off" spellcheck="false"
                placeholder="address or path"></label>
            </div>
            <table id="connections" class="stacked">
              <thead><tr>
                <th scope="col">State</th><th scope="col" class="number">For</th><th scope="col">Request</th>
                <th scope="col">Peer</th><th scope="col" class="number">In</th><th scope="col" class="number">Out</th>
                <th scope="col">Waits for</th>
              </tr></thead>
              <tbody></tbody>
            </table>
            <div id="stacks"></div>
          </section>
          <section aria-labelledby="slowest-title">
            <h2 id="slowest-title">Requests that have run longest</h2>
            <table id="slowest" class="stacked">
              <thead><tr>
                <th scope="col" class="number">For</th><th scope="col">State</th><th scope="col">Request</th>
                <th scope="col">Client</th><th scope="col">Worker</th><th scope="col">Waits for</th>
              </tr></thead>
              <tbody></tbody>
            </table>
            <p class="empty" id="no-slowest">No request was running when the workers wrote down what they do.</p>
          </section>
          <div class="pair">
            <section aria-labelledby="restarts-title">
              <h2 id="restarts-title">Workers that have ended</h2>
              <ol id="restarts" class="log" tabindex="0" aria-labelledby="restarts-title"></ol>
              <p class="empty" id="no-restarts">None has.</p>
            </section>
            <section aria-labelledby="events-title">
              <h2 id="events-title">Events</h2>
              <ol id="events" class="log" tabindex="0" aria-labelledby="events-title"></ol>
              <p class="empty" id="no-events">There were none.</p>
            </section>
          </div>
          <noscript><p>This page needs JavaScript. The same as JSON is at <a href="status">/status</a>.</p></noscript>
        </main>
        <footer class="quiet">
          <a href="status">/status</a> <a href="connections">/connections</a> <a href="stacks">/stacks</a>
          <a href="metrics">/metrics</a> <span id="version"></span>
        </footer>
        </body>
        </html>

        """#
}

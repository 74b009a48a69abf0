// How the page looks: light and dark as the reader's system asks for it, and on a phone each row of a table is a card.

extension Page {
    static let style = #"""
        :root {
          --paper: #f4f5f7; --card: #ffffff; --ink: #1b2026; --quiet: #59636e; --line: #dfe3e8; --field: #eef1f4;
          --accent: #0b62c4; --good: #1c7a3c; --good-field: #e2f4e7; --warn: #8a5300; --warn-field: #fdf0d8;
          --bad: #b3231b; --bad-field: #fde9e7; --info: #0b5cb0; --info-field: #e3eefb;
          --flight: #0b62c4; --sockets: #8b3fc7; --other: #5f6b78; --idle: #b4bfca;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --paper: #101418; --card: #181d23; --ink: #e5e9ed; --quiet: #98a3af; --line: #2b333c; --field: #222931;
            --accent: #6fb2ff; --good: #6ed68e; --good-field: #15301d; --warn: #f0b65c; --warn-field: #35290f;
            --bad: #ff8d84; --bad-field: #3d1b19; --info: #84bdff; --info-field: #15283f;
            --flight: #4c9bff; --sockets: #c48af0; --other: #8693a0; --idle: #4b5763;
          }
        }
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; }
        body {
          margin: 0; background: var(--paper); color: var(--ink);
          font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
        }
        header, main, footer { max-width: 1320px; margin: 0 auto; padding: 0 clamp(14px, 2.5vw, 32px); }
        header {
          display: flex; flex-wrap: wrap; gap: 4px 24px; justify-content: space-between; align-items: baseline;
          padding-top: 22px;
        }
        footer { padding-top: 12px; padding-bottom: 32px; display: flex; flex-wrap: wrap; gap: 4px 18px; }
        h1 { font-size: 22px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
        h2 { font-size: 15px; line-height: 1.4; margin: 0 0 10px; overflow-wrap: anywhere; }
        h3 { font-size: 14px; margin: 16px 0 4px; overflow-wrap: anywhere; }
        p { margin: 0; overflow-wrap: anywhere; }
        a { color: var(--accent); }
        [hidden] { display: none !important; }
        .quiet { color: var(--quiet); font-size: 13.5px; }
        .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

        #live { font-size: 13.5px; color: var(--quiet); white-space: nowrap; }
        #live::before {
          content: ""; display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 7px;
          background: var(--other);
        }
        #live[data-live="live"]::before { background: var(--good); }
        #live[data-live="lost"]::before { background: var(--bad); }
        #lost {
          margin: 16px 0 0; padding: 10px 14px; border-radius: 10px; background: var(--bad-field); color: var(--bad);
          font-weight: 600;
        }
        body.lost #tiles, body.lost section { opacity: .55; }

        #tiles {
          display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 18px 0 0;
        }
        #tiles div {
          background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 10px 14px 12px;
        }
        dt { color: var(--quiet); font-size: 12.5px; }
        dd { margin: 0; font-size: 21px; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.3; }
        dd small { display: block; font-size: 12.5px; font-weight: 400; color: var(--quiet); min-height: 1.45em; }
        dd.alarm { color: var(--bad); }

        section {
          background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px 16px;
          margin: 14px 0 0; min-width: 0;
        }
        .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 0 14px; }
        .legend { float: right; margin-top: -31px; font-size: 12.5px; color: var(--quiet); }
        .key { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin: 0 4px 0 10px; }
        .flight { background: var(--flight); } .sockets { background: var(--sockets); }
        .other { background: var(--other); } .idle { background: var(--idle); }
        .empty { color: var(--quiet); font-size: 13.5px; }

        table { width: 100%; border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
        th, td { padding: 7px 16px 7px 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
        th:last-child, td:last-child { padding-right: 0; }
        thead th { border-top: 0; padding-top: 0; color: var(--quiet); font-weight: 500; font-size: 12.5px; }
        tbody th { font-weight: 600; white-space: nowrap; }
        .number { text-align: right; white-space: nowrap; }
        td small, th small { display: block; color: var(--quiet); font-weight: 400; font-size: 12.5px; }
        .request { overflow-wrap: anywhere; min-width: 12ch; }
        .request, .peer, pre {
          font-family: ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; font-size: 12.5px;
        }
        .clip { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; }
        .nowrap { white-space: nowrap; }
        .chip {
          display: inline-block; border-radius: 99px; padding: 1px 9px; font-size: 12.5px; font-weight: 600;
          white-space: nowrap; background: var(--field); color: var(--quiet); vertical-align: middle;
        }
        .chip.good { background: var(--good-field); color: var(--good); }
        .chip.warn { background: var(--warn-field); color: var(--warn); }
        .chip.bad { background: var(--bad-field); color: var(--bad); }
        .chip.info { background: var(--info-field); color: var(--info); }
        .bar {
          display: flex; height: 9px; min-width: 120px; margin: 6px 0 3px; border-radius: 5px; overflow: hidden;
          background: var(--field);
        }
        .bar span { flex: none; }

        button, select, input {
          font: inherit; font-size: 13.5px; color: inherit; background: var(--card); border: 1px solid var(--line);
          border-radius: 8px; padding: 4px 11px;
        }
        button { cursor: pointer; color: var(--accent); white-space: nowrap; }
        button:hover { background: var(--field); }
        button[aria-expanded="true"] { background: var(--info-field); border-color: transparent; }
        .buttons { display: flex; flex-wrap: wrap; gap: 6px; justify-content: flex-end; }
        .bar-of-tools { display: flex; justify-content: space-between; align-items: baseline; gap: 12px; }
        .filters { display: flex; flex-wrap: wrap; gap: 8px 18px; margin: 10px 0 14px; color: var(--quiet); }
        .filters { font-size: 13.5px; }
        .filters label { display: flex; align-items: center; gap: 7px; }
        #filter-text { width: 22ch; max-width: 100%; color: var(--ink); }
        #filter-state { color: var(--ink); }
        pre {
          margin: 0; padding: 10px 12px; border-radius: 8px; background: var(--field); overflow-x: auto; tab-size: 4;
        }

        .log { list-style: none; margin: 0; padding: 0; max-height: 21em; overflow-y: auto; font-size: 13.5px; }
        .log:empty { display: none; }
        .log li { display: flex; gap: 10px; padding: 4px 0; border-top: 1px solid var(--line); align-items: baseline; }
        .log li:first-child { border-top: 0; }
        .log time { color: var(--quiet); white-space: nowrap; font-variant-numeric: tabular-nums; }
        .log .text { overflow-wrap: anywhere; min-width: 0; }
        .log li > .chip { flex: none; }

        @media (max-width: 860px) {
          .stacked, .stacked tbody { display: block; }
          .stacked thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
          .stacked tr { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; padding: 12px 0; }
          .stacked tr { border-top: 1px solid var(--line); }
          .stacked tbody tr:first-child { border-top: 0; padding-top: 2px; }
          .stacked th, .stacked td { display: block; border: 0; padding: 0; text-align: left; min-width: 0; }
          .stacked td[data-label]::before {
            content: attr(data-label); display: block; color: var(--quiet); font: 12px/1.5 system-ui, sans-serif;
          }
          .stacked .whole { grid-column: 1 / -1; }
          .stacked .vacant { display: none; }
          .buttons { justify-content: flex-start; }
          .buttons button { padding: 7px 14px; }
          .legend { float: none; margin: -6px 0 10px; }
          .key:first-child { margin-left: 0; }
          #tiles { grid-template-columns: repeat(auto-fit, minmax(135px, 1fr)); gap: 8px; }
          .log li { flex-wrap: wrap; gap: 2px 10px; }
          .log .text { flex-basis: 100%; }
        }

        """#
}

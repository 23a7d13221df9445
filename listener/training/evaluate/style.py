"""How a report looks: by day, by night, and on paper."""

CSS = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #5b6670; --line: #d5dade; --paper: #fff; }
:root { --warn: #fff3cd; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --soft: #9aa5b0; --line: #3a424a; --paper: #16191d; --warn: #453a12; }
}
@media print {
  :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --warn: #fff; }
  body { max-width: none; padding: 0; font-size: 11px; }
  figure, tr, .tile { break-inside: avoid; }
  h2, h3, figcaption { break-after: avoid; }
  .wide, figure { overflow: visible; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.2rem 4rem; max-width: 62rem;
  background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.7rem; margin: 0; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { margin: .5rem 0; }
.soft { color: var(--soft); }
.warn {
  background: var(--warn); border: 1px solid var(--line); border-left: 4px solid #d99a00;
  padding: .5rem .8rem;
}
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; }
.tile { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.5rem; font-weight: 600; line-height: 1.25; }
.tile span { color: var(--soft); font-size: .85rem; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
th, td { text-align: right; padding: .22rem .7rem; border-bottom: 1px solid var(--line); }
th, td { white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td small { color: var(--soft); }
figure { margin: 1rem 0; overflow-x: auto; }
figure svg { display: block; height: auto; }
figcaption { color: var(--soft); font-size: .85rem; margin-bottom: .3rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font-size: .9em; }
"""

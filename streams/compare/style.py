"""The style sheet of the page, with light and dark mode and support for narrow screens."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --card: #f6f7f9; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0;
  --a: #6b7684; --b: #b45309; --same: 37 99 235; --flip: 217 119 6; --warn: #fff4d6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #11151a; --card: #1a2027; --ink: #e8ecf1; --soft: #9aa6b2; --line: #313a44;
    --a: #9aa6b2; --b: #f0a13c; --same: 96 153 255; --flip: 240 161 60; --warn: #3a2f12;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .25rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .25rem 0 .75rem; }
.soft, figcaption { color: var(--soft); font-size: .875rem; }
.a { color: var(--a); font-weight: 600; } .b { color: var(--b); font-weight: 600; }
.warning { background: var(--warn); border-left: 4px solid var(--b); padding: .5rem .75rem; margin: .5rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.2; }
.tile span { color: var(--soft); font-size: .8125rem; display: block; }
.scroll { overflow-x: auto; }
figure { margin: 0; }
table { border-collapse: separate; border-spacing: 2px; font-size: .875rem; }
th { font-weight: 600; text-align: left; padding: .3rem .5rem; color: var(--soft); white-space: nowrap; }
td { padding: .3rem .5rem; text-align: right; min-width: 3.5rem; border-radius: 3px; }
td small { display: block; }
thead th { text-align: right; } thead th:first-child { text-align: left; }
.bars { display: grid; grid-template-columns: minmax(5rem, max-content) minmax(0, 1fr) max-content; gap: .3rem .75rem;
  align-items: center; font-size: .875rem; }
.bars > :nth-child(3n) { text-align: right; }
svg { display: block; width: 100%; overflow: visible; }
.track { fill: var(--line); opacity: .45; }
.bar { fill: rgb(var(--same) / .75); } .lost { fill: rgb(var(--flip) / .85); } .gained { fill: rgb(var(--flip) / .45); }
.whisker { stroke: var(--ink); stroke-width: 2; }
.moved { stroke: var(--soft); stroke-width: 3; } .dot-a { fill: var(--a); } .dot-b { fill: var(--b); }
.day { padding: .6rem 0; border-top: 1px solid var(--line); font-size: .875rem; }
.day header { display: flex; flex-wrap: wrap; gap: 0 1rem; justify-content: space-between; margin-bottom: .25rem; }
.day p { margin: .25rem 0 0; }
.post { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem; margin: .75rem 0; background: var(--card); }
.post blockquote { margin: 0 0 .5rem; overflow-wrap: anywhere; unicode-bidi: isolate; white-space: pre-line; }
.post dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem .6rem; margin: 0; font-size: .875rem; }
.post dd { margin: 0; }
@media (max-width: 48rem) {
  .bars { grid-template-columns: minmax(4rem, max-content) minmax(0, 1fr); }
  .bars > :nth-child(3n) { grid-column: 1 / -1; text-align: left; margin-bottom: .4rem; color: var(--soft); }
}
"""

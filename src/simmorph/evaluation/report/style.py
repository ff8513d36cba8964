"""How the pages of reports look, on a screen and on paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 1180px; margin: 2rem auto;
  padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; }
h2 { font-size: 1.35rem; margin-top: 2.5rem; border-bottom: 2px solid #ddd; }
h3 { font-size: 1.1rem; margin: 1.8rem 0 .4rem; }
h1, h2, h3, h4, details { scroll-margin-top: 4rem; }
.verdict { border-left: 6px solid; padding: .7rem 1.1rem; margin: .8rem 0; background: #f6f7f9; }
.within { border-color: #2b7a5b; } .tension { border-color: #e8a33d; } .beyond { border-color: #bd1f01; }
.verdict strong { text-transform: uppercase; letter-spacing: .04em; font-size: .85rem; display: block; }
.verdict p { margin: .3rem 0 0; }
.pill { padding: .1rem .5rem; border-radius: .7rem; border: 0; white-space: nowrap; print-color-adjust: exact; }
.pill.within { background: #cfe8dc; } .pill.tension { background: #fbe3bd; } .pill.beyond { background: #f4c7be; }
table { border-collapse: collapse; margin: .8rem 0 1.4rem; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #555; padding-bottom: .3rem; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e3e3e3; white-space: nowrap; }
th { border-bottom: 2px solid #999; vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td:first-child, td:last-child, td.text { white-space: normal; overflow-wrap: break-word; }
td:first-child { min-width: 10rem; } td.text { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; max-width: 100%; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
figure { margin: 0; } figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: #555; font-size: .85rem; max-width: 62rem; margin: .2rem 0 .8rem; }
.narrow { width: 375px; } .middle { width: 560px; } .wide { max-width: 100%; }
pre { background: #f6f7f9; padding: 1rem; font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; }
nav { position: sticky; top: 0; background: #fff; border-bottom: 1px solid #ddd; padding: .5rem 0; z-index: 1;
  max-height: 5.2rem; overflow: auto; }
nav a { margin-right: 1.1rem; white-space: nowrap; } .small { color: #555; font-size: .92rem; }
details > summary { cursor: pointer; }
details.region > summary { font-size: 1.35rem; font-weight: bold; margin-top: 1.6rem; border-bottom: 2px solid #ddd; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
@page { size: A4; margin: 14mm; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 10.5pt; }
  nav { display: none; }
  h2, h3, h4, summary, caption, h3 + p.small { break-after: avoid; }
  h2.page, details.region { break-before: page; }
  figure, tr, .verdict, thead { break-inside: avoid; }
  thead { break-after: avoid; } tbody tr:first-child { break-before: avoid; }
  .scroll { overflow: visible; }
  figure img { width: auto; max-height: 245mm; }
  .narrow { width: 48%; } .middle { width: 70%; }
  h1 { font-size: 16pt; } h2, details.region > summary { font-size: 13pt; } h3 { font-size: 11pt; }
  table { font-size: 7.5pt; }
  th, td { padding: .15rem .35rem; } td:first-child { min-width: 20mm; }
  td.text { overflow-wrap: break-word; }
  pre { font-size: 6pt; columns: 3; }
  details.region:not([open]) { display: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""

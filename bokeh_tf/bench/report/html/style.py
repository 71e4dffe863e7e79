"""The page's style sheet: light and dark as the reader's system says, tables
that become cards on a phone.
"""

SHEET = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b1f24;--soft:#59636e;--rule:#d9dee3;--grid:#e6e9ed;
--cpu:#1f6feb;--gpu:#c2570c;--nnapi:#8250df;--other:#4d7c0f;--weather:#6e7781;
--bad-page:#ffebe9;--bad-ink:#a40e26;--doubt-page:#fff4d4;--doubt-ink:#7a4b00}
@media (prefers-color-scheme:dark){:root{--page:#0f1216;--card:#181c21;--ink:#e3e7ec;--soft:#9aa4af;--rule:#313840;
--grid:#272d34;--cpu:#6cb0ff;--gpu:#ff9d57;--nnapi:#c9a2ff;--other:#9ccc52;--weather:#9aa4af;
--bad-page:#3c1518;--bad-ink:#ffaba4;--doubt-page:#352a0d;--doubt-ink:#f2cc60}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:70rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.6rem;line-height:1.2;margin:.2rem 0 .4rem}
h2{font-size:1.25rem;line-height:1.3;margin:2.2rem 0 .5rem}
h3{font-size:1rem;margin:0 0 .6rem}h4{font-size:.9rem;margin:.8rem 0 .2rem}
h1,h2,h3,h4,td,dd,li,p,.label,figcaption,summary{overflow-wrap:anywhere}
p{margin:.3rem 0}
.soft,.note,.about,.legend,figcaption{color:var(--soft)}
.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:1rem;margin:.9rem 0;
overflow-x:clip}
ul.warnings{list-style:none;margin:.35rem 0;padding:0;display:grid}
ul.warnings li{padding:.2rem .6rem;border-left:4px solid;font-size:.86rem;text-align:left}
li.bad{background:var(--bad-page);color:var(--bad-ink);font-weight:600}
li.doubt{background:var(--doubt-page);color:var(--doubt-ink)}
.scroll{overflow-x:auto}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th{font-size:.78rem;font-weight:600;color:var(--soft);text-align:right;vertical-align:bottom;padding:.25rem .5rem}
td{text-align:right;white-space:nowrap;padding:.4rem .5rem;vertical-align:top}
th:first-child,td:first-child,td.text,th.text{text-align:left}td.text,td.name,td.whole{white-space:normal}
th:first-child,td:first-child{padding-left:0}th:last-child,td:last-child{padding-right:0}
tbody{border-top:1px solid var(--rule)}
td.name{font-weight:600;min-width:9rem}
td.main{font-weight:700}td.digest{font-family:monospace;overflow-wrap:normal}
td.whole{padding:0 0 .4rem;text-align:left}
figure{margin:0}figure+figure{margin-top:1.2rem}
figcaption{font-size:.88rem;margin-bottom:.3rem}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1rem;font-size:.82rem;margin:.1rem 0 .4rem}
.key{display:inline-flex;align-items:center;gap:.35rem}
.key-mark{width:16px;flex:none}
.row{display:grid;grid-template-columns:minmax(0,15rem) minmax(0,1fr) 5.8rem;gap:0 .8rem;align-items:center;
padding:.15rem 0;border-top:1px solid var(--grid)}
.row.axis{padding-top:0}
.label{font-size:.86rem;line-height:1.25}.label b{font-weight:600;display:block}
.about{font-size:.76rem;display:block}.stamp{color:var(--bad-ink);font-weight:600}
.value{font-size:.84rem;text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.value span{display:block;color:var(--soft);font-size:.76rem}.value span+span{margin-top:1.3rem}
.unit{color:var(--soft);white-space:normal;font-size:.76rem;line-height:1.2}
.note{font-size:.8rem}
svg{display:block;overflow:visible}
.grid{stroke:var(--grid)}
.tick{fill:var(--soft);font-size:11.5px}
.cpu{--c:var(--cpu)}.gpu{--c:var(--gpu)}.nnapi{--c:var(--nnapi)}.other{--c:var(--other)}.weather{--c:var(--weather)}
.mark{fill:var(--c);stroke:var(--c);stroke-width:2}.mark.hollow{fill:var(--card)}.mark.none{display:none}
.interval{stroke:var(--c);stroke-width:3}.interval.unstable{stroke-dasharray:5 3}
.sample{fill:var(--c);fill-opacity:.55}
.box{fill:var(--c);fill-opacity:.14;stroke:var(--c);stroke-opacity:.7}
.middle{stroke:var(--c);stroke-width:2.5}
.path{stroke:var(--c);stroke-width:1.6}
.rest{fill:var(--grid)}.taken{fill:var(--gpu)}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--soft)}
dl{display:grid;grid-template-columns:minmax(0,13rem) minmax(0,1fr);gap:.15rem 1rem;margin:.4rem 0;font-size:.88rem}
dt{color:var(--soft);overflow-wrap:anywhere}dd{margin:0}
ul.plain{margin:.3rem 0;padding-left:1.1rem;font-size:.88rem}
code{font-size:.92em;overflow-wrap:anywhere}
@media (max-width:760px){
main{padding:1rem .7rem 2rem}.card{padding:.8rem .7rem}
.row{grid-template-columns:minmax(0,1fr) auto;padding:.35rem 0 .2rem}
.row .label{grid-column:1;grid-row:1}.row .value{grid-column:2;grid-row:1;align-self:start}
.row .track{grid-column:1/-1;grid-row:2}
.row .value span+span{margin-top:0}
.axis .track{grid-row:1}.row.axis .value{grid-row:2;grid-column:1/-1}
thead{display:none}table,tbody{display:block}
tbody{padding:.6rem 0}
tr{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.8rem,1fr));gap:0 1.2rem}
td{display:flex;justify-content:space-between;gap:.6rem;padding:.12rem 0}
td:empty{display:none}
td::before{content:attr(data-label);color:var(--soft);font-weight:400;font-size:.8rem;text-align:left}
td.text{grid-column:1/-1}
td.name,td.whole,td.main,td.wide{grid-column:1/-1}td.name,td.whole{display:block}
td.name::before,td.whole::before{content:none}
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.35rem}
}
@media print{body{background:#fff}.card{break-inside:avoid}}
"""

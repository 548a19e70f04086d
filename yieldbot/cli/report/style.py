"""The page's CSS: one set of colours for light and one for dark screens, which colour-blind readers can tell apart
too."""

CSS = """
:root{color-scheme:light dark;--page:#f6f5f2;--card:#fdfdfc;--ink:#1b1b1a;--soft:#5c5b57;--faint:#8f8e88;
--rule:#e4e2dc;
--grid:#eceae5;--good:#006300;--bad:#b3261e;--s1:#2a78d6;--s2:#eb6834;--s3:#1baf7a;--s4:#eda100;--s5:#4a3aa7;
--s6:#e87ba4;
--s7:#008300;--s8:#e34948;--other:#b9b7b0;--idle:#e6e4de}
@media (prefers-color-scheme:dark){:root{--page:#121211;--card:#1a1a19;--ink:#f2f1ed;--soft:#b5b3ac;--faint:#86847d;
--rule:#33322f;--grid:#282725;--good:#4cc25a;--bad:#ff8a80;--s1:#3987e5;--s2:#d95926;--s3:#199e70;--s4:#c98500;
--s5:#9085e9;
--s6:#d55181;--s7:#2f9a3c;--s8:#e66767;--other:#6f6d67;--idle:#3a3936}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1200px;margin:0 auto;padding:40px 24px 80px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:20px;margin:44px 0 10px}h3{font-size:15px;margin:24px 0 4px}.card>h3:first-child{margin-top:2px}
p{margin:0 0 10px;max-width:74ch}.soft{color:var(--soft)}.small{font-size:13px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:16px 20px;margin:12px 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin:22px 0 0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:14px 18px}
.tile b{display:block;font-size:26px;line-height:1.25;font-weight:600}.tile span{color:var(--soft);font-size:13px;
display:block}
.good{color:var(--good)}.bad{color:var(--bad)}
svg{display:block;width:100%;height:auto;margin:6px 0;overflow:visible;
font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.grid,.zero{stroke:var(--grid);stroke-width:1;fill:none}.zero{stroke:var(--faint)}
text{fill:var(--ink)}text.tick{fill:var(--faint);font-size:11px;font-variant-numeric:tabular-nums}
text.middle{text-anchor:middle}text.end{text-anchor:end}text.strong{font-weight:600}text.name{font-size:12px}
.line{fill:none;stroke-width:1.5;stroke-linejoin:round}.line.s1,.line.s2{stroke-width:2.25}
.line.ahead{stroke:var(--soft);stroke-dasharray:2 4;stroke-linecap:round}.line.quiet{stroke:var(--faint)}
.line.paid{stroke:var(--ink);stroke-width:1.5}text.quiet,text.ahead{fill:var(--soft)}
.area{stroke:var(--card);stroke-width:1}.area+.grid,.area~.grid{stroke:var(--ink);stroke-opacity:.07}
.area.other{fill:var(--other)}.area.idle{fill:var(--idle)}
.band{fill:var(--s1);fill-opacity:.16}.whisker{stroke:var(--s1);stroke-width:2;stroke-opacity:.45}.dot{fill:var(--s1)}
.tip{fill:transparent}.tip:hover{fill:var(--ink);fill-opacity:.08}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;margin:2px 0 4px;padding:0;list-style:none;font-size:13px;
color:var(--soft)}
.key i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:7px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:8px 28px}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th{text-align:right;font-weight:500;color:var(--soft);border-bottom:1px solid var(--rule);padding:6px 7px;
vertical-align:bottom}
td{text-align:right;border-bottom:1px solid var(--grid);padding:6px 7px;white-space:nowrap}
th.l,td.l{text-align:left}td.why{white-space:normal;min-width:230px;text-align:left;color:var(--soft)}
tr.all td{font-weight:600}tr:last-child td{border-bottom:0}
details{margin:12px 0}summary{cursor:pointer;font-weight:600;padding:4px 0}summary span{font-weight:400;
color:var(--soft)}
details.part>summary{font-size:17px;border-top:1px solid var(--rule);padding:14px 0 8px}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--page);border:1px solid var(--rule);border-radius:8px;
padding:12px 14px;
font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;margin:8px 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;font-size:13.5px;margin:12px 0 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
.key .other{background:var(--other)}.key .idle{background:var(--idle)}.key .band{background:var(--s1);opacity:.3}
.key .paid{background:var(--ink)}
@media (max-width:640px){main{padding:24px 14px 60px}dl{grid-template-columns:1fr}dt{margin-top:6px}}
@media print{body{background:#fff}.card,.tile{break-inside:avoid}}
"""
SERIES = ("s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8")
"""CSS classes of the colours of markets and policies, in the order in which they are assigned."""
COLOURS = "".join(
    f".line.{one}{{stroke:var(--{one})}}.area.{one}{{fill:var(--{one})}}.key .{one}{{background:var(--{one})}}"
    for one in SERIES
)
"""The style of each of these classes."""

"""The raters' page: one static file without a network, which saves one JSON a rater."""

import base64
import hashlib
import json

from bokeh_tf.bench.report.html.markup import Html, tag
from bokeh_tf.evaluation.page import data_uri
from bokeh_tf.evaluation.study import GRADES, SCHEMA_VERSION

_PICTURE_WIDTH_PX = 1024
# Constant, so that the policy can allow this one script by its hash. It draws each rater's order
# and sides from the study's seed and the rater's name, and keeps the answers of an unfinished
# session where the browser lets it.
_SCRIPT = """
(function(){
var study=JSON.parse(document.getElementById('study').textContent);
var get=function(id){return document.getElementById(id)};
function random(text){
  var h=2166136261;for(var i=0;i<text.length;i++){h=Math.imul(h^text.charCodeAt(i),16777619)}
  return function(){h=h+0x6D2B79F5|0;var t=Math.imul(h^h>>>15,1|h);t=t+Math.imul(t^t>>>7,61|t)^t;
    return((t^t>>>14)>>>0)/4294967296}}
function shuffled(list,draw){list=list.slice();
  for(var i=list.length-1;i>0;i--){var j=Math.floor(draw()*(i+1));var x=list[i];list[i]=list[j];list[j]=x}return list}
var order,answers,rater,draw,place;
function kept(){try{return JSON.parse(localStorage.getItem(place))||[]}catch(e){return []}}
function keep(){try{localStorage.setItem(place,JSON.stringify(answers))}catch(e){}}
function begin(){
  rater=get('name').value.trim();if(!rater)return;
  draw=random(study.seed+'/'+rater);place='bokeh-tf study '+study.study+' '+rater;
  var once=shuffled(Object.keys(study.items),draw).map(function(n){return{item:n,again:false}});
  var twice=shuffled(study.repeats,draw).map(function(n){return{item:n,again:true}});
  order=once.concat(twice).map(function(o){o.left=draw()<0.5;return o});
  answers=kept();get('start').hidden=true;get('ask').hidden=false;show()}
function show(){
  var n=answers.length;get('count').textContent=Math.min(n+1,order.length)+' of '+order.length;
  if(n>=order.length){get('ask').hidden=true;get('done').hidden=false;save();return}
  var one=order[n],reference=study.references[study.items[one.item].reference],picture=study.items[one.item].picture;
  get('left').src=one.left?reference:picture;get('right').src=one.left?picture:reference;
  get('left-name').textContent=one.left?'reference':'picture to grade';
  get('right-name').textContent=one.left?'picture to grade':'reference'}
function grade(event){
  var value=event.target.getAttribute('data-grade');if(!value)return;
  var one=order[answers.length];
  answers.push({item:one.item,grade:Number(value),is_repeat:one.again,reference_left:one.left});keep();show()}
function save(){
  var text=JSON.stringify({schema_version:study.schema_version,study:study.study,rater:rater,answers:answers},null,1);
  var link=get('save');link.href=URL.createObjectURL(new Blob([text],{type:'application/json'}));
  link.download='ratings_'+rater.replace(/[^A-Za-z0-9_-]/g,'_')+'.json'}
get('begin').addEventListener('click',begin);
get('grades').addEventListener('click',grade);
get('back').addEventListener('click',function(){answers.pop();keep();get('done').hidden=true;get('ask').hidden=false;show()});
})();
"""
_SCRIPT_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src"
    f" 'sha256-{_SCRIPT_HASH}'; "
    "base-uri 'none'; form-action 'none'"
)
_SHEET = """
body{margin:0;padding:1rem;background:#777;color:#111;font:16px/1.4 system-ui,sans-serif}
.two{display:grid;grid-template-columns:1fr 1fr;gap:1rem}.two img{width:100%;display:block}
figure{margin:0}figcaption{text-align:center;padding:.3rem}
button,input{font:inherit;padding:.5rem .9rem;margin:.2rem}
#grades{text-align:center;margin-top:.6rem}[hidden]{display:none}
"""


def write(key, pictures) -> str:
    """The page.

    Args:
        key: `study.Key`.
        pictures: see `study.pictures_of`.
    """
    numbers = {pair: index for index, pair in enumerate(pictures)}
    content = {
        "schema_version": SCHEMA_VERSION,
        "study": key.study,
        "seed": key.seed,
        "repeats": key.repeats,
        # Neither a pair's name nor a model's.
        "references": [
            data_uri(truth, width_px=_PICTURE_WIDTH_PX) for truth, _ in pictures.values()
        ],
        "items": {
            number: {
                "reference": numbers[item.pair],
                "picture": data_uri(pictures[item.pair][1][item.model], width_px=_PICTURE_WIDTH_PX),
            }
            for number, item in key.items.items()
        },
    }
    data = Html(json.dumps(content).replace("<", "\\u003c"))
    head = [
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        tag("title", {}, "bokeh-tf study"),
        tag("style", {}, Html(_SHEET)),
    ]
    body = [
        _start(len(key.items) + len(key.repeats)),
        _question(),
        _end(),
        tag("script", {"type": "application/json", "id": "study"}, data),
        tag("script", {}, Html(_SCRIPT)),
    ]
    page = tag("html", {"lang": "en"}, tag("head", {}, *head), tag("body", {}, *body))
    return f"<!DOCTYPE html>\n{page}\n"


def _start(count):
    words = (
        f"You will see {count} pictures, each beside a reference: a photo taken with a wide"
        " aperture. Grade how near "
        "the picture comes to it. Sit as you usually do, at 100 % zoom; nothing leaves this"
        " computer."
    )
    name = tag(
        "input",
        {"id": "name", "placeholder": "your name or number", "aria-label": "your name or number"},
    )
    return tag(
        "section",
        {"id": "start"},
        tag("p", {}, words),
        name,
        tag("button", {"id": "begin"}, "begin"),
    )


def _question():
    figures = [
        tag(
            "figure",
            {},
            tag("figcaption", {"id": f"{side}-name"}, ""),
            tag("img", {"id": side, "alt": ""}),
        )
        for side in ("left", "right")
    ]
    buttons = [
        tag("button", {"data-grade": value}, f"{value}: {words}") for value, words in GRADES.items()
    ]
    return tag(
        "section",
        {"id": "ask", "hidden": ""},
        tag("p", {"id": "count"}, ""),
        tag("div", {"class": "two"}, *figures),
        tag("div", {"id": "grades"}, *buttons),
    )


def _end():
    return tag(
        "section",
        {"id": "done", "hidden": ""},
        tag("p", {}, "Thank you. Save your answers and send the file to whoever asked you."),
        tag("a", {"id": "save"}, "save my answers"),
        tag("button", {"id": "back"}, "change the last one"),
    )

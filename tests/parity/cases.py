"""Experiments for the comparison side by side with the Chaos Toolkit, beside the shared corpus.

    cases.py FOLDER     writes one experiment per case, and `NAME.case.json` with its arguments, into FOLDER

The form of the cases is that of the shared corpus, whose scripts record and compare them.
"""
import json
import os
import sys

D = sys.argv[1]
os.makedirs(D,exist_ok=True)
for f in os.listdir(D): os.remove(os.path.join(D,f))
ECHO=lambda n,*a,**k: dict({"type":"action","name":n,"provider":{"type":"process","path":"echo","arguments":list(a) or [n]}},**k)
OK={"type":"probe","name":"ok","tolerance":0,"provider":{"type":"process","path":"true"}}
BAD={"type":"probe","name":"unmet","tolerance":0,"provider":{"type":"process","path":"false"}}
SLOW={"type":"probe","name":"slow","tolerance":0,"provider":{"type":"process","path":"sleep","arguments":["5"],"timeout":0.2}}
RB=[ECHO("rb","rolled back")]
B="http://127.0.0.1:18411"
def hyp(*p): return {"title":"h","probes":list(p)}
def case(name, exp, ext='json', raw=None, **meta):
    with open(f'{D}/{name}.{ext}','w') as f:
        f.write(raw if raw is not None else json.dumps(exp))
    if meta: json.dump(meta,open(f'{D}/{name}.case.json','w'))
def E(method=(),**k): return dict({"title":"t","description":"d","method":list(method)},**k)
def P(name,tol,*args,**k): return {"type":"probe","name":name,"tolerance":tol,"provider":dict({"type":"process","path":"sh","arguments":["-c"]+list(args)},**k)}
H=lambda name,path,tol=None,**k: dict({"type":"probe","name":name,"provider":dict({"type":"http","url":B+path},**k)},**({"tolerance":tol} if tol is not None else {}))
# yaml
case('y-types',None,'yaml',raw='''title: t
description: d
extensions:
- name: x
  a: [no, 'no', 010, 0o10, 1:30, 1_000, 1e3, 1.0e+3, .inf, -.inf, ~, yes, 0x1F, 0b11, +1, -0, 1., .5, "quoted", 'single', 2024-01-02, 2024-01-02T03:04:05Z, 2024-01-02 03:04:05.5 +02:00, =, 12:30:45, 1:30.5]
  b: &anchor {x: 1, y: [1,2]}
  c:
    <<: *anchor
    z: 3
  1: intkey
  true: boolkey
  ~: nullkey
  1.5: floatkey
method:
- {type: probe, name: p, provider: {type: process, path: echo, arguments: [no, 010, 1:30, 1_000, 1e3, 2024-01-02, 2024-01-02T03:04:05Z, ~, 1.50, .inf, 'x']}}
''')
case('y-merge-list',None,'yaml',raw='''title: t
description: d
x-a: &a {type: probe, name: a}
x-b: &b {name: b, provider: {type: process, path: echo, arguments: [hi]}}
method:
- <<: [*a, *b]
- <<: *b
  type: action
''')
case('y-multidoc',None,'yaml',raw='title: t\n---\ntitle: u\n')
case('y-tag',None,'yaml',raw='title: !foo t\ndescription: d\nmethod: []\n')
case('y-colon',None,'yaml',raw='title: a: b\ndescription: d\n')
case('y-tab',None,'yaml',raw='title: t\n\tdescription: d\n')
case('y-unclosed-quote',None,'yaml',raw='title: "t\ndescription: d\n')
case('y-noalias',None,'yaml',raw='title: *x\ndescription: d\nmethod: []\n')
case('y-dup',None,'yaml',raw='title: t\ntitle: u\ndescription: d\nmethod: []\n')
case('y-block',None,'yaml',raw='title: |\n  multi\n  line\ndescription: >\n  folded\n  text\nmethod: []\n')
case('y-empty',None,'yaml',raw='')
case('y-anchor-activity',None,'yaml',raw='''title: t
description: d
method:
- &act {type: action, name: a, provider: {type: process, path: echo, arguments: [1]}}
- *act
''')
case('j-nan',None,raw='{"title":"t","description":"d","method":[{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":[1, Infinity]}}]}')
case('j-dup',None,raw='{"title":"t","title":"u","description":"d","method":[]}')
case('j-big',None,raw='{"title":"t","description":"d","method":[{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":[123456789012345678901234567890, 1e16, 1e-5, 1.10, -0.0]}}]}')
case('j-unicode',None,raw='{"title":"t\\u00e9\\ud83c\\udf89","description":"d","method":[]}')
# strategies x outcomes
for strat in ['default','before-method-only','after-method-only','during-method-only','continuously']:
    for what,p in [('ok',OK),('unmet',BAD),('failed',SLOW)]:
        for rb in ['default','always','deviated']:
            if rb!='default' and strat in('before-method-only','during-method-only'): continue
            case(f's-{strat[:6]}-{what}-{rb}',E([ECHO("act")],**{"steady-state-hypothesis":hyp(p)},rollbacks=RB),args=['--hypothesis-strategy',strat,'--rollback-strategy',rb,'--hypothesis-frequency','0.2'])
FLIP=lambda n,k: H('flip',f'/fail-after/{n}/{k}',200)
case('s-cont-failfast-recovers',E([{"type":"action","name":"w","provider":{"type":"process","path":"sleep","arguments":["0.8"]}},ECHO("not")],**{"steady-state-hypothesis":hyp(P('intact',0,'test ! -e broken'))},rollbacks=RB),args=['--hypothesis-strategy','continuously','--fail-fast','--hypothesis-frequency','0.1'])
case('s-cont-failfast',E([P('break',0,'touch broken; sleep 0.6'),ECHO("not")],**{"steady-state-hypothesis":hyp(P('intact',0,'test ! -e broken'))},rollbacks=RB),args=['--hypothesis-strategy','continuously','--fail-fast','--hypothesis-frequency','0.1'])
case('s-during-empty-method',E([],**{"steady-state-hypothesis":hyp(OK)},rollbacks=RB),args=['--hypothesis-strategy','during-method-only','--hypothesis-frequency','0.1'])
case('s-cont-unmet-mid',E([P('break',0,'touch broken; sleep 0.5; rm broken; sleep 0.3')],**{"steady-state-hypothesis":hyp(P('intact',0,'test ! -e broken'))}),args=['--hypothesis-strategy','continuously','--hypothesis-frequency','0.1'])
case('s-skip',E([ECHO("a")],**{"steady-state-hypothesis":hyp(BAD)},runtime={"hypothesis":{"strategy":"skip"}}))
case('s-misspelt',E([ECHO("a")],**{"steady-state-hypothesis":hyp(OK)}),args=['--hypothesis-strategy','continously','--hypothesis-frequency','0.2'])
case('s-settings',E([ECHO("a")],**{"steady-state-hypothesis":hyp(OK)},rollbacks=RB),settings='runtime:\n  rollbacks:\n    strategy: never\n  hypothesis:\n    strategy: after-method-only\n')
case('s-settings-reset',E([ECHO("a")],**{"steady-state-hypothesis":hyp(OK)},rollbacks=RB,runtime={"rollbacks":{"strategy":"always"}}),settings='runtime:\n  rollbacks:\n    strategy: never\n  hypothesis:\n    strategy: after-method-only\n')
case('s-broken-settings',E([ECHO("a")]),settings='runtime: [')
case('s-empty-hyp',E([ECHO("a")],**{"steady-state-hypothesis":{"title":"h","probes":[]}}))
case('s-no-probes-key',E([ECHO("a")],**{"steady-state-hypothesis":{"title":"h"}}))
# hypothesis with actions, background flag, dry etc
case('h-action-in-hyp',E([],**{"steady-state-hypothesis":hyp(dict(OK,type='action',name='act'),dict(OK,background=True))}))
case('h-two-second-fails',E([ECHO('a')],**{"steady-state-hypothesis":hyp(OK,SLOW,OK)},rollbacks=RB))
case('h-pauses',E([],**{"steady-state-hypothesis":hyp(dict(OK,pauses={"before":0.1,"after":0.2}))}))
case('h-crash-before',E([ECHO('a')],**{"steady-state-hypothesis":hyp(P('r',{"type":"regex","pattern":"x"},'echo x'))},rollbacks=RB))
case('h-crash-after',E([P('a',0,'touch x')],**{"steady-state-hypothesis":hyp({"type":"probe","name":"c","tolerance":{"type":"range","range":[0,1],"target":"nope"},"provider":{"type":"process","path":"true"}})},rollbacks=RB),args=['--hypothesis-strategy','after-method-only'])
# activities
case('a-ref-hyp',E([{"ref":"ok"},{"ref":"late"},ECHO('late')],**{"steady-state-hypothesis":hyp(OK)}))
case('a-ref-dup',E([dict(OK,name='same',provider={"type":"process","path":"echo","arguments":["method"]}),{"ref":"same"}],**{"steady-state-hypothesis":hyp(dict(OK,name='same'))}))
case('a-ref-background',E([dict(ECHO('bg','x'),background=True),{"ref":"bg"},{"ref":"bg","background":True}]))
case('a-ref-in-hyp-unknown',E([],**{"steady-state-hypothesis":hyp({"ref":"ghost","tolerance":0})}))
case('a-ref-no-tol',E([ECHO('x')],**{"steady-state-hypothesis":hyp({"ref":"x"})}))
case('a-rollback-ref-hyp',E([],**{"steady-state-hypothesis":hyp(OK)},rollbacks=[{"ref":"ok"}]))
case('a-bg-crash',E([dict(H('h','/json-broken'),background=True),ECHO('fg')],rollbacks=RB))
case('a-bg-failing-rollback',E([],rollbacks=[dict(SLOW,background=True),ECHO('x')]))
case('a-pause-text',E([ECHO('a',pauses={"before":"${w}"}),ECHO('b')],configuration={"w":"0.1"},rollbacks=RB))
case('a-pause-unresolved',E([ECHO('a',pauses={"before":"${nope}"}),ECHO('b')],rollbacks=RB))
case('a-pause-after-negative',E([ECHO('a',pauses={"after":-1}),ECHO('b')],rollbacks=RB))
case('a-pause-zero',E([ECHO('a',pauses={"before":0,"after":None})]))
case('a-pause-null',E([ECHO('a',pauses=None),ECHO('b')],rollbacks=RB))
case('a-pause-bool',E([ECHO('a',pauses={"before":True})]))
case('a-pause-after-failing',E([dict(SLOW,pauses={"after":0.1}),ECHO('b')]))
case('a-rb-crash',E([ECHO('a')],rollbacks=[H('h','/json-broken'),ECHO('b')]))
case('a-unknown-provider-noval',E([{"type":"probe","name":"x","provider":{"type":"grpc"}},ECHO('b')]),args=['--no-validation'])
case('a-no-provider-noval',E([{"type":"probe","name":"x"},ECHO('b')],rollbacks=RB),args=['--no-validation'])
case('a-no-type-noval',E([{"name":"x","provider":{"type":"process","path":"true"}},ECHO('b')],rollbacks=RB),args=['--no-validation'])
case('a-no-name-noval',E([{"type":"action","provider":{"type":"process","path":"true"}},ECHO('b')]),args=['--no-validation'])
case('a-float-tol-noval',E([],**{"steady-state-hypothesis":hyp(dict(OK,tolerance=0.0))}),args=['--no-validation'])
case('a-null-tol-noval',E([],**{"steady-state-hypothesis":hyp({"type":"probe","name":"n","provider":{"type":"process","path":"true"}})}),args=['--no-validation'])
case('a-title-num',dict(E([]),title=5))
case('a-title-list',dict(E([]),title=["a"]))
case('a-desc-num',dict(E([]),description=5))
case('a-tags-text',E([],tags="abc"))
case('a-method-map',E(method={}) if 0 else dict(title='t',description='d',method={"a":1}))
case('a-method-null',dict(title='t',description='d',method=None))
case('a-rollbacks-null',E([],rollbacks=None))
case('a-hyp-null',E([],**{"steady-state-hypothesis":None}))
case('a-item-null',E([None]))
case('a-item-text',E(["x"]))
case('a-timeout-bool',E([dict(ECHO('a'),timeout=True)]))
case('a-timeout-text',E([dict(ECHO('a'),timeout="5")]))
# process
case('p-shell-empty',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":""}}]))
case('p-timeout-shell',E([{"type":"probe","name":"p","provider":{"type":"process","path":"sleep","arguments":"3; echo x","timeout":0.2}}]))
case('p-timeout-zero',E([{"type":"probe","name":"p","provider":{"type":"process","path":"sleep","arguments":["1"],"timeout":0}}]))
case('p-timeout-text',E([{"type":"probe","name":"p","provider":{"type":"process","path":"sleep","arguments":["1"],"timeout":"1"}},ECHO('b')],rollbacks=RB))
case('p-env-cwd-ignored',E([{"type":"probe","name":"p","provider":{"type":"process","path":"sh","arguments":["-c","echo $X"],"env":{"X":"1"},"cwd":"/tmp"}}]))
case('p-nested-args',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":[["b","c'd"],{"d":1,"e":[None,True]},1.0,"$$","${x}"]}}]))
case('p-args-config-int',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":"${n}"}},ECHO('b')],configuration={"n":5},rollbacks=RB))
case('p-args-config-map',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":"${m}"}}],configuration={"m":{"-a":1,"b":""}}))
case('p-args-null',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":None}},ECHO('b')]))
case('p-args-false',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":False}},ECHO('b')]))
case('p-stdin',E([{"type":"probe","name":"p","provider":{"type":"process","path":"cat"}}]))
case('p-kill9',E([{"type":"action","name":"p","provider":{"type":"process","path":"sh","arguments":["-c","kill -9 $$"]}}]))
case('p-notexec',E([{"type":"action","name":"p","provider":{"type":"process","path":"./data.txt"}}]),files={"data.txt":"x"})
case('p-dir',E([{"type":"action","name":"p","provider":{"type":"process","path":"/tmp"}}]))
case('p-tilde',E([{"type":"action","name":"p","provider":{"type":"process","path":"~/tool.sh"}}]))
case('p-no-shebang',E([{"type":"action","name":"p","provider":{"type":"process","path":"./tool.sh"}},ECHO('b')],rollbacks=RB),files={"tool.sh":{"text":"echo hi\n","mode":"755"}})
case('p-warn-rollback',E([],rollbacks=[{"type":"action","name":"p","provider":{"type":"process","path":"false"}}]))
case('p-hyp-nonzero-tol',E([],**{"steady-state-hypothesis":hyp(P('e',3,'exit 3'))}))
# http
case('h-post-text',E([H('h','/echo',method='POST',arguments='raw text')]))
case('h-post-json-null',E([H('h','/echo',method='POST',headers={"Content-Type":"application/json"})]))
case('h-post-json-charset',E([H('h','/echo',method='POST',headers={"Content-Type":"application/json; charset=utf-8"},arguments={"a":1})]))
case('h-post-json-lower',E([H('h','/echo',method='POST',headers={"content-type":"application/json"},arguments={"a":1})]))
case('h-post-json-unicode',E([H('h','/echo',method='PUT',headers={"Content-Type":"application/json"},arguments={"é":"🎉\n","f":1.0,"g":1e16,"h":[True,None]})]))
case('h-post-form-nested',E([H('h','/echo',method='POST',arguments={"a":[1,None,"x y"],"b":{"c":1},"d":None,"e":"é&="})]))
case('h-post-ctype',E([H('h','/echo',method='POST',headers={"Content-Type":"text/x"},arguments={"a":1})]))
case('h-get-query-append',E([H('h','/echo?x=1&y=a%20b',arguments={"a":"ü"})]))
case('h-get-text-args',E([H('h','/echo',arguments="a=1&b=2")]))
case('h-dollar',E([H('h','/echo?x=$$&y=$',headers={"X-Corpus":"$$"},arguments={"a":"$$"})]))
case('h-head',E([H('h','/text',method='HEAD')]))
case('h-put-empty',E([H('h','/echo',method='PUT')]))
case('h-redirect-post',E([H('h','/redirect',method='POST',arguments={"a":1})]))
case('h-redirect-loop',E([H('h','/redirect-loop'),ECHO('b')],rollbacks=RB))
case('h-close',E([H('h','/close'),ECHO('b')]))
case('h-retries',E([{"type":"probe","name":"h","provider":{"type":"http","url":"http://127.0.0.1:1/x","max_retries":2}}]))
case('h-latin1',E([H('h','/latin1')]))
case('h-html',E([H('h','/html')]))
case('h-empty',E([H('h','/empty')]))
case('h-scheme',E([{"type":"probe","name":"h","provider":{"type":"http","url":"ftp://127.0.0.1/x"}},ECHO('b')]))
case('h-timeout-zero',E([H('h','/text',timeout=0),ECHO('b')],rollbacks=RB))
case('h-timeout-text',E([H('h','/text',timeout="1"),ECHO('b')],rollbacks=RB))
case('h-timeout-list-null',E([H('h','/slow/0.3',timeout=[1,None])]))
case('h-header-int-config',E([H('h','/echo',headers={"X-Num":"${n}"}),ECHO('b')],configuration={"n":5}))
case('h-header-text-config',E([H('h','/echo',headers={"X-Num":"v${n}"})],configuration={"n":5}))
case('h-header-null',E([H('h','/echo',headers={"X-Corpus":None})]))
case('h-url-int',E([H('h','/text'),{"type":"probe","name":"x","provider":{"type":"http","url":"${n}"}}],configuration={"n":5}))
case('h-method-odd',E([H('h','/echo',method='FROB')]))
case('h-warn-404-rb',E([],rollbacks=[H('h','/status/404')]))
case('h-204',E([H('h','/status/204')]))
case('h-ignored',E([H('h','/text',expected_status=500,secrets=["a"])]))
case('h-hyp-body',E([],**{"steady-state-hypothesis":hyp(H('h','/json',{"type":"jsonpath","path":"$.items[*][?(@.load >= 55.5 and not @.state = \"down\")].id","target":"body","expect":3}))}))
case('h-hyp-500',E([ECHO('a')],**{"steady-state-hypothesis":hyp(H('h','/status/500',200))},rollbacks=RB))
# tolerances
def T(name,tol,path='/json'): case('t-'+name,E([],**{"steady-state-hypothesis":hyp(H('h',path,tol))}))
def TP(name,tol,script,**m): case('t-'+name,E([],**{"steady-state-hypothesis":hyp(P('p',tol,script))},**m))
for i,pth in enumerate(['$.items[0].id','$..id','$.items[-1:].id','$.tags[0,2]','$["name"]','$.items.length()','$.name.length()','$.nested.*','$.items[*].state.charAt(0)','$.items[?(@.id=1)]','$..[?(@.id=1)].state','$.items[*][?(@.id=1 or @.id=3)].id','$.nope','$[*]','$.items[::2].id','$.name.substring(1,3)','$.items[0].keys()','$.items[0].entries()']):
    T(f'jp{i}',{"type":"jsonpath","path":pth,"target":"body"})
    T(f'jpc{i}',{"type":"jsonpath","path":pth,"target":"body","count":1})
T('jp-expect-map',{"type":"jsonpath","path":"$.items[0]","target":"body","expect":{"id":1,"state":"up","load":10}})
T('jp-expect-float',{"type":"jsonpath","path":"$.count","target":"body","expect":3.0})
T('jp-expect-true',{"type":"jsonpath","path":"$.ok","target":"body","expect":1})
T('jp-expect-empty',{"type":"jsonpath","path":"$.nope","target":"body","expect":[]})
T('jp-whole',{"type":"jsonpath","path":"$.status","expect":200})
T('jp-header',{"type":"jsonpath","path":"$.headers[\"Content-Type\"]","expect":"application/json"})
T('jp-count-text',{"type":"jsonpath","path":"$.items[*]","target":"body","count":"3"})
T('jp-bad',{"type":"jsonpath","path":"$.items[","target":"body"})
T('jp-single',{"type":"jsonpath","path":"$['name']x","target":"body"})
T('jp-nontext',{"type":"jsonpath","path":5})
T('jp-empty',{"type":"jsonpath","path":"  "})
T('jp-slice0',{"type":"jsonpath","path":"$.items[::0]","target":"body"})
case('t-jp-subst',E([],configuration={"n":"name","want":"corpus"},**{"steady-state-hypothesis":hyp(H('h','/json',{"type":"jsonpath","path":"$[\"${n}\"]","target":"body","expect":"${want}"}))}))
case('t-jp-subst-early',E([],configuration={"n":"name"},**{"steady-state-hypothesis":hyp(H('h','/json',{"type":"jsonpath","path":"$.${n}","target":"body"}))}))
for i,(pat,out) in enumerate([('^a$','a'),('a\\Z','a'),('(?i)HELLO','hello'),('(a)\\1','aa'),('(?<=x)y','xy'),('(?P<n>a)(?P=n)','aa'),('a{,2}b','aab'),('[[]','['),('\\bx\\b','a x b'),('^\\d+\\s\\w+$','12 ab'),('(?x) a b','ab'),('x(?=y)','xy'),('(?s)a.b','a\nb'),('[^\\W\\d]','_'),('\\x41','A'),('$','x'),('a||b','zz'),('(?:a|b)++c','abc')]):
    TP(f're{i}',{"type":"regex","pattern":pat,"target":"stdout"},"printf '%s\\n' \"$(cat <<'X'\n"+out+"\nX\n)\"")
for i,pat in enumerate(['(','*','a**','[z-a]','\\q','(?P<a','(?<=a+)b','\\2','a{2,1}','(?i','x(?i)']):
    TP(f'rebad{i}',{"type":"regex","pattern":pat,"target":"stdout"},"echo x")
TP('re-target-missing',{"type":"regex","pattern":"x","target":"nope"},"echo x")
TP('re-nontext',{"type":"regex","pattern":5,"target":"stdout"},"echo x")
TP('re-subst-int',{"type":"regex","pattern":"${n}","target":"stdout"},"echo 5",configuration={"n":5})
for i,(lo,hi,out) in enumerate([(0,10,'5'),(0,10,'10'),(0,10,'-1'),(0.1,1,'0.1'),(0,10,' +1e0 '),(0,10,'1_0'),(0,10,'x'),(0,10,''),(-5,-1,'-3.5'),(0,1e308,'1e300'),(True,5,'3')]):
    TP(f'range{i}',{"type":"range","range":[lo,hi],"target":"stdout"},f"printf '{out}'")
TP('range-status',{"type":"range","range":[1,3],"target":"status"},"exit 2")
TP('range-nan',{"type":"range","range":[1,3],"target":"stdout"},"echo nan")
TP('range-inf',{"type":"range","range":[1,3],"target":"stdout"},"echo inf")
for i,rg in enumerate([[1],[1,2,3],5,["1",2],[1,None],"1,2"]): TP(f'rangebad{i}',{"type":"range","range":rg,"target":"stdout"},"echo 1")
TP('list-text',["0"],"exit 0"); TP('list-true',[True,5,7],"exit 1"); TP('list-float',[1.0,9,9],"exit 1")
TP('text-subst-list',"${l}","exit 3",configuration={"l":[3,4,5]})
TP('text-subst-map',"${m}","echo abc",configuration={"m":{"type":"regex","pattern":"b","target":"stdout"}})
TP('text-subst-float',"${f}","exit 0",configuration={"f":0.0})
TP('text-subst-bool',"${f}","exit 0",configuration={"f":True})
TP('text-subst-null',"${f}","exit 0",configuration={"f":None})
TP('text-embedded',"a${f}","exit 0",configuration={"f":1})
case('t-judge-http',E([],**{"steady-state-hypothesis":hyp(P('p',{"type":"probe","name":"j","provider":{"type":"http","url":B+"/status/500","arguments":{}}},'echo x'))}))
case('t-judge-refused',E([],**{"steady-state-hypothesis":hyp(P('p',{"type":"probe","name":"j","provider":{"type":"http","url":"http://127.0.0.1:1/","arguments":{}}},'echo x'))}))
case('t-judge-noargs',E([ECHO('a')],**{"steady-state-hypothesis":hyp(P('p',{"type":"probe","name":"j","provider":{"type":"process","path":"true"}},'echo x'))}))
case('t-judge-args',E([],**{"steady-state-hypothesis":hyp(P('p',{"type":"probe","name":"j","provider":{"type":"process","path":"echo","arguments":{"-n":"x"}}},'echo x'))}))
case('t-ref-judge',E([dict(OK,name='x')],**{"steady-state-hypothesis":hyp({"ref":"x","tolerance":{"type":"probe","name":"j","provider":{"type":"process","path":"true","arguments":{}}}})}))
# configuration
case('c-bool',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}","${b}","${c}","${d}"]}}],configuration={k:{"type":"env","key":k.upper()*3,"env_var_type":"bool"} for k in "abcd"}),env={"AAA":"FALSE","BBB":"off","CCC":"","DDD":"0"})
case('c-default-typed',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}","${b}","x${c}"]}}],configuration={"a":{"type":"env","key":"NOPE_X","default":"7","env_var_type":"int"},"b":{"type":"env","key":"NOPE_X","default":5},"c":{"type":"env","key":"NOPE_X","default":None}}))
case('c-empty-env',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["[${a}]"]}}],configuration={"a":{"type":"env","key":"EMPTY_X","default":"d"}}),env={"EMPTY_X":""})
case('c-bytes',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}","x${a}"]}}],configuration={"a":1}),args=['--var','a:bytes=xyz'])
case('c-var-def',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}"]}}],configuration={"a":1}),args=['--var','a:json={"type":"env","key":"SETX"}'],env={"SETX":"hello"})
case('c-var-badtype',E([],configuration={"a":1}),args=['--var','a:date=1'])
case('c-var-badint',E([],configuration={"a":1}),args=['--var','a:int=x'])
case('c-var-twice',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}"]}}],configuration={"a":1}),args=['--var','a=1','--var','a=2'])
case('c-varfile-missing',E([]),args=['--var-file','nope.json'])
case('c-varfile-broken',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}"]}}],configuration={"a":1}),args=['--var-file','v.json'],files={"v.json":"{"})
case('c-varfile-yaml',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}","${tok}"]}}],configuration={"a":1},secrets={"s":{"tok":"x"}}),args=['--var-file','v.yaml','--var-file','w.yml'],files={"v.yaml":"configuration: {a: no}\n","w.yml":"secrets: {s: {tok: 010}}\n"})
case('c-varfile-and-var',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}"]}}],configuration={"a":1}),args=['--var','a=cli','--var-file','v.json'],files={"v.json":"{\"configuration\":{\"a\":\"file\"}}"})
case('c-secret-nested',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${k}","${deep}"]}}],secrets={"s":{"k":5,"deep":{"x":{"type":"env","key":"HOMEX"}}}}),env={"HOMEX":"h"})
case('c-secret-first-wins',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${k}"]}}],secrets={"s":{"k":1},"t":{"k":2}}))
case('c-dyn-order',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}","${b}"]}}],configuration={"a":{"type":"probe","name":"a","provider":{"type":"process","path":"echo","arguments":["${b}"]}},"b":{"type":"probe","name":"b","provider":{"type":"process","path":"echo","arguments":["${a}!"]}}}))
case('c-dyn-http-500',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}"]}}],configuration={"a":{"type":"probe","name":"a","provider":{"type":"http","url":B+"/status/500"}}}))
case('c-dyn-json',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}"]}}],configuration={"a":{"type":"probe","name":"a","provider":{"type":"http","url":B+"/json"}}}))
case('c-dyn-refused',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}"]}}],configuration={"a":{"type":"probe","name":"a","provider":{"type":"http","url":"http://127.0.0.1:1/"}}}))
case('c-type-other',E([{"type":"probe","name":"p","provider":{"type":"process","path":"echo","arguments":["${a}"]}}],configuration={"a":{"type":"vault","x":1}}))
case('c-env-unknown-type',E([],configuration={"a":{"type":"env","key":"HOME","env_var_type":"date"}}))
case('c-secrets-text-group',E([],secrets={"s":"x"}))
# dry
for d in ['actions','probes','activities','pause']:
    case(f'd-{d}',E([ECHO('a',pauses={"before":0.1}),dict(OK,name='p'),dict(ECHO('b'),dry=d),dict(SLOW,name='slow')],**{"steady-state-hypothesis":hyp(BAD)},rollbacks=RB),args=['--dry',d])
    # one alone: which of two is begun first is up to the Chaos Toolkit's threads
    case(f'd-{d}-bg',E([dict(ECHO('a'),background=True)],**{"steady-state-hypothesis":hyp(OK)},rollbacks=[dict(ECHO('r'),background=True)]),args=['--dry',d,'--hypothesis-strategy','continuously','--hypothesis-frequency','0.1'])
case('d-bad',E([]),args=['--dry','everything'])
# signals
LONG=lambda m: {"type":"action","name":"long","provider":{"type":"process","path":"sh","arguments":["-c",f"touch {m}; sleep 3; touch finished"]}}
for sg in ['SIGINT','SIGTERM','SIGUSR1','SIGUSR2']:
    case(f'z-{sg}-rb',E([ECHO('a')],rollbacks=[LONG('started'),ECHO('r2')]),signal={"name":sg,"marker":"started"})
    case(f'z-{sg}-hyp',E([ECHO('a')],**{"steady-state-hypothesis":hyp(dict(LONG('started'),tolerance=0,type='probe'))},rollbacks=RB),signal={"name":sg,"marker":"started"})
    case(f'z-{sg}-after',E([P('mk',0,'touch m')],**{"steady-state-hypothesis":hyp(P('h',0,'test -e m && { touch started; sleep 3; }; true'))},rollbacks=RB),signal={"name":sg,"marker":"started"})
    case(f'z-{sg}-pause',E([P('mk',0,'touch started'),ECHO('b',pauses={"before":3})],rollbacks=RB),signal={"name":sg,"marker":"started"})
    case(f'z-{sg}-bg',E([dict(P('bg',0,'sleep 1.5; touch bgdone'),background=True,type='action'),LONG('started')],rollbacks=RB),signal={"name":sg,"marker":"started"},present=['bgdone'] if sg!='SIGUSR2' else [])
    case(f'z-{sg}-dev',E([LONG('started')],**{"steady-state-hypothesis":hyp(OK)},rollbacks=RB),signal={"name":sg,"marker":"started"},args=['--rollback-strategy','deviated'])
    case(f'z-{sg}-cont',E([LONG('started')],**{"steady-state-hypothesis":hyp(OK)},rollbacks=RB),signal={"name":sg,"marker":"started"},args=['--hypothesis-strategy','continuously','--hypothesis-frequency','0.1'])
# validation
def V(name,exp): case('v-'+name,exp)
V('empty',{}); V('title-space',dict(E([]),title=" ")); V('control-noname',E([],controls=[{"provider":{"type":"python","module":"x"}}])); V('control-noprov',E([],controls=[{"name":"c"}]))
V('control-module-missing',E([ECHO('a')],controls=[{"name":"c","provider":{"type":"python","module":"no_such_mod"}}])); V('control-bash',E([ECHO('a')],controls=[{"name":"c","provider":{"type":"bash"}}]))
V('control-activity',E([dict(ECHO('a'),controls=[{"name":"c","provider":{"type":"python","module":"no_such_mod"},"scope":"before"}])]))
V('control-ref',E([dict(ECHO('a'),controls=[{"ref":"c"}])],controls=[{"name":"c","provider":{"type":"python","module":"no_such_mod"}}]))
V('python-missing',E([{"type":"probe","name":"x","provider":{"type":"python","module":"no_such_mod","func":"f"}}])); V('python-nofunc',E([{"type":"probe","name":"x","provider":{"type":"python","module":"os"}}]))
V('http-headers-list',E([H('h','/text',headers=[1])])); V('ref-empty',E([{"ref":""}])); V('ref-int',E([{"ref":5}]))
V('ext-blank',E([],extensions=[{"name":" "}])); V('tags-num',E([],tags=[1])); V('hyp-probe-empty',E([],**{"steady-state-hypothesis":hyp({})}))
V('rb-bad',E([],rollbacks=[{"type":"action","name":"x"}])); V('provider-notype',E([{"type":"action","name":"x","provider":{"path":"x"}}])); V('provider-text',E([{"type":"action","name":"x","provider":"process"}]))
V('bg-null',E([dict(ECHO('a'),background=None)])); V('pause-list',E([dict(ECHO('a'),pauses=[1])])); V('runtime-text',E([],runtime="x")); V('runtime-null',E([ECHO('a')],runtime=None))
V('vault-deprecated',E([],secrets={"s":{"k":{"type":"vault","key":"x"}}})) if 0 else None
# load
case('l-http-txt',E([]),source=B+'/experiment.txt'); case('l-http-html',E([]),source=B+'/experiment.html'); case('l-http-401',E([]),source=B+'/experiment-auth')
case('l-http-bearer',E([]),source=B+'/experiment-auth',env={"CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN":" tok "}); case('l-scheme',E([]),source='ftp://x/y.json'); case('l-file-scheme',E([]),source='file:///x.json'); case('l-refused',E([]),source='http://127.0.0.1:1/x.json')
case('l-dir',E([]),source='.'); case('l-http-500',E([]),source=B+'/status/500'); case('l-http-empty',E([]),source=B+'/empty'); case('l-http-brokenjson',E([]),source=B+'/json-broken')
case('l-upper',E([ECHO('a')]),**{"as":"exp.JSON","source":"exp.JSON"}); case('l-usage',E([]),args=['--nope'])
case('l-controlfile-missing',E([]),args=['--control-file','nope.json']); case('l-controlfile',E([ECHO('a')]),args=['--control-file','c.json'],files={"c.json":"{\"x\":{\"provider\":{\"type\":\"python\",\"module\":\"nope\"}}}"})
case('l-events',E([ECHO('a')],**{"steady-state-hypothesis":hyp(OK)}),args=['--events-file','ev.jsonl'],present=['ev.jsonl'])

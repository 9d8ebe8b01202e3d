"""Files as people have them, with what goes wrong in them."""

SAMPLES = {
    "plain.ini": "[a]\nm = a.gguf\nparallel = 1\nc = 0\nubatch-size = 1\n",
    "shared.ini": "[*]\nc = 0\nmodels-max = 3\nfitt = 512\nrpc = h:1\n[a]\nm = a.gguf\nmd = d.gguf\ndevice-draft = CUDA1\n",
    "devices.ini": "[a]\nm = a.gguf\ndev = CUDA0,CUDA2\nts = 3,1\nsm = row\nmg = 5\n[b]\nm = b.gguf\ndev = none\n",
    "wrong.ini": "[a]\nm = a.gguf\nnp = 0\nc = 32k\nevil = 1\ntop-p = 3\nkvu = no\n[b]\nc = 5\n",
    "names.ini": "[a]\nm = a.gguf\nalias = b,c d,a\n[b]\nm = b.gguf\n[b c]\nm = c.gguf\n",
    "fork.yaml": "models: {a: {cmd: '/opt/ik/llama-server -m /a.gguf -mla 3 -fmoe'}, b: {cmd: /usr/bin/llama-server -m /b.gguf}}",
    "odd.yaml": "models: {a: {cmd: 'llama-server -m /a.gguf -ot (.*a)*b=CPU --chat-template-kwargs {} --jinja --chat-template llama3 -hf o/n'}}",
    "nothing.yaml": "models: {a: {cmd: llama-server --port 1}, b: {cmd: llama-server -m /b.gguf --embedding -ub 4}}",
    "templates.ini": "[a]\nm = a.gguf\njinja = 1\nchat-template = llama3\n[b]\nm = b.gguf\nmmproj = p.gguf\nembedding = 1\nlora = x.gguf\n",
}  # fmt: skip

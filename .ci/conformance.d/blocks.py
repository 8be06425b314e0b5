"""The command blocks of README.md and of docs, by name."""

import glob
import re
import textwrap

TYPED = r"printf 'Client ID: ' && read -r id && .*\n.*\n  aws secretsmanager "
OUTPUT = r"plan=\$\(aws cloudformation describe-stacks .*\n"
# name: how the block begins. A block that no name fits is one that nobody has looked at.
BLOCKS = {
    "invoke": r"go run \./cmd/local invoke ",
    "test": r"go test ",
    "fleet": r"OMR_FLEET=10000 go test ",
    "serve": r"go run \./cmd/local start-api ",
    "call": r"curl -sS -F image=\S+ -F pattern=\S+ http://127\.0\.0\.1:3000/recognize",
    "recognize": r"go run \./cmd/local recognize (?!.* --batch )",
    "batch-command": r"go run \./cmd/local recognize .* --batch ",
    "batch-call": r'curl -sS "\$URL/batches" ',
    "batch-start": r"output\(\) \{ aws cloudformation describe-stacks .*\n(.*\n)+execution=",
    "batch-follow": r"aws stepfunctions describe-execution ",
    "batch-end": r"aws stepfunctions stop-execution ",
    "one-call": r'curl -H "Authorization: Bearer \$KEY" -F ',
    "form-call": r'curl -H "Authorization: Bearer \$KEY" -H .Accept: application/zip. ',
    "upload": r"form=\$\(curl ",
    "idempotent": r'curl -H "Authorization: Bearer \$KEY" -H .Idempotency-Key: ',
    "create-secret": TYPED + "create-secret ",
    "rotate": TYPED + "put-secret-value ",
    "deploy": r'secret=.*\nmake deploy SECRET_ARN="\$secret"$',
    "environment": r'secret=.*\nmake deploy ENV=dev SECRET_ARN="\$secret"$',
    "update": r'secret=.*\nmake deploy SECRET_ARN="\$secret" PARAMETERS=',
    "at-once": r'secret=.*\nmake deploy ENV=prod SECRET_ARN="\$secret" PARAMETERS=Deployment=AllAtOnce$',
    "smoke": r"make smoke$",
    "go-back": r"function=\$\(aws cloudformation describe-stacks .*\naws lambda list-versions-by-function ",
    "unprotect": r"aws cloudformation update-termination-protection ",
    "disable-key": r"aws apigateway update-api-key ",
    "first-call": r"url=\$\(aws cloudformation describe-stacks ",
    "add-caller": OUTPUT + r"id=\$\(aws apigateway create-api-key ",
    "erase": r"bucket=\$\(aws cloudformation describe-stacks .*\naws s3 rm ",
    "delete-keys": OUTPUT + r"own=",
    "delete-stack": r"sam delete ",
    "delete-secret": r"aws secretsmanager delete-secret ",
    "delete-bucket": r"aws s3 rb ",
    "delete-log-role": r"role=\$\(aws apigateway get-account ",
}


def files():
    return ["README.md", *sorted(glob.glob("docs/*.md"))]


def blocks():
    """The texts of each name, the same text once, and (file, text) of those without a name."""
    named, strange = {name: [] for name in BLOCKS}, []
    for file in files():
        with open(file, encoding="utf-8") as f:
            text = f.read()
        found = [textwrap.dedent(block) for _, block in re.findall(r"^( *)```(?:sh|bash)\n(.*?)^\1```$", text, re.M | re.S)]
        marks = len(re.findall(r"^ *```(?:sh|bash|shell|console|zsh)$", text, re.M))
        if marks != len(found):
            strange.append((file, f"{marks} command blocks, of which {len(found)} are read"))
        for block in found:
            names = [name for name, beginning in BLOCKS.items() if re.match(beginning, block, re.M)]
            if len(names) != 1:
                strange.append((file, block))
            elif block not in named[names[0]]:
                named[names[0]].append(block)
    return named, strange

"""Makes each mistake of .ci/mutants.diff in the template, and asks the check that must find it.

usage: mutants.py TEMPLATE MUTANTS
"""

import collections
import json
import sys

from samtranslator.yaml_helper import yaml_parse

import template

FEWEST = 20
Mutant = collections.namedtuple("Mutant", "check name block old new")


def read(path):
    with open(path, encoding="utf-8") as f:
        paragraphs = f.read().split("\n\n")[1:]
    for paragraph in paragraphs:
        title, block, *changes = paragraph.strip("\n").split("\n")
        check, name = title.removeprefix("# ").split(": ", 1)
        old = [line[2:] for line in changes if line.startswith("- ")]
        new = [line[2:] for line in changes if line.startswith("+ ")]
        if title[:2] != "# " or block[:2] != "@ " or len(old) != 1 or len(old) + len(new) != len(changes):
            raise ValueError(f"no mutant: {paragraph}")
        yield Mutant(check, name, block[2:], old[0], new)


def mutate(lines, mutant):
    begin = lines.index(mutant.block)
    at = lines.index(mutant.old, begin)
    indent = len(mutant.block) - len(mutant.block.lstrip())
    for line in lines[begin + 1:at]:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            raise ValueError(f"{mutant.name}: {mutant.old!r} is not in {mutant.block!r}")
    return lines[:at] + mutant.new + lines[at + 1:]


def caught(text, check):
    wrong = json.loads(json.dumps(yaml_parse(text)))
    return next((fault for by, fault in template.faults(wrong, check) if by == check), None)


def main(path, mutants):
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    tried, missed = 0, []
    for mutant in read(mutants):
        fault = caught("\n".join(mutate(lines, mutant)), mutant.check)
        tried += 1
        if fault is None:
            missed.append(f"not caught by {mutant.check}: {mutant.name}")
        print(f"{mutant.check}: {mutant.name}: {str(fault)[:150]}")
    if tried < FEWEST:
        missed.append(f"{tried} mutants, fewer than {FEWEST}")
    return missed


if __name__ == "__main__":
    found = main(*sys.argv[1:])
    print("\n".join(found) or "all caught")
    sys.exit(bool(found))

"""score_typos.py - what was probably meant: found first for 95 % of the typos, and never offered for a
domain that was meant as it stands (the negatives, and everybody's known providers)."""
from common import Score, read_jsonl

FILES = ["typos.jsonl", "imap_endpoints.jsonl", "not_disposable.tsv"]
LEAST = 0.95


def suggested(program, domains):
    """The suggested domain for each, or None."""
    answers = program.ask(["jane@" + domain for domain in domains])
    return [(answer.get("suggestion") or "").rpartition("@")[2] or None for answer in answers]


def untouched(name, program, domains):
    result = Score(name)
    for domain, other in zip(domains, suggested(program, domains)):
        result.count(other is None, domain, f"-> {other}")
    result.require(result.agreed == result.total, "a domain meant as it stands was corrected")
    return result


def score(corpora, program):
    rows = read_jsonl(corpora / FILES[0])
    meant = [row for row in rows if row["intended"] is not None]
    found = Score("typos: found first")
    for row, other in zip(meant, suggested(program, [row["typed"] for row in meant])):
        found.count(other == row["intended"], row["typed"], f"meant {row['intended']}, here {other}")
    found.require_share(LEAST)
    negatives = [row["typed"] for row in rows if row["intended"] is None]
    endpoints = sorted({row["domain"] for row in read_jsonl(corpora / FILES[1])})
    lines = (corpora / FILES[2]).read_text().splitlines()[1:]
    return [found,
            untouched("typos: negatives", program, negatives),
            untouched("typos: IMAP providers", program, endpoints),
            untouched("typos: not disposable", program, [line.split("\t")[0] for line in lines])]

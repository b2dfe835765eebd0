"""score_disposable.py - what seven public lists agree on is flagged, real providers never are."""
from common import Score

FILES = ["disposable_strong.txt", "not_disposable.tsv", "imap_endpoints.jsonl"]
LEAST = 0.995


def flagged(program, domains):
    answers = program.ask(["jane@" + domain for domain in domains])
    return [answer["flags"]["disposable"] is True for answer in answers]


def score(corpora, program):
    strong = (corpora / FILES[0]).read_text().split()
    listed = Score("disposable: strong")
    for domain, flag in zip(strong, flagged(program, strong)):
        listed.count(flag, domain)
    listed.require_share(LEAST)
    real = [line.split("\t")[0] for line in (corpora / FILES[1]).read_text().splitlines()[1:]]
    never = Score("disposable: real providers")
    for domain, flag in zip(real, flagged(program, real)):
        never.count(not flag, domain)
    never.require(never.agreed == never.total, "a real provider was flagged")
    return [listed, never]

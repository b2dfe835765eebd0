"""score_roles.py - names of functions that two sources or more agree on are flagged, people never are."""
from common import Score

FILES = ["role_localparts.tsv"]
VOTES_LEAST = 2
LEAST = 0.98


def score(corpora, program):
    lines = (corpora / FILES[0]).read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    answers = program.ask([row[0] + "@gmail.com" for row in rows])
    roles, people = Score("roles: two votes or more"), Score("roles: people")
    for (local, label, votes), answer in zip(rows, answers):
        flag = answer["flags"]["role"] is True
        if label == "not_role":
            people.count(not flag, local)
        elif int(votes) >= VOTES_LEAST:
            roles.count(flag, local)
    roles.require_share(LEAST)
    people.require(people.agreed == people.total, "a person was flagged")
    return [roles, people]

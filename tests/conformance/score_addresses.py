"""score_addresses.py - `valid` of vrfyd syntax against the label smtp5321: is it usable in RCPT TO?

Not scored are rows that state somebody's policy and not the grammar, by rules with a reason each.
"""
import re

from common import Score, read_jsonl

FILES = ["addresses.jsonl"]
LEAST = 0.99

LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# A domain in order but for its last label: a number, one letter, or all there is.
ODD_TOP_LEVEL = re.compile(rf"@(?:(?:{LABEL}\.)+(?:[0-9]+|[A-Za-z])|{LABEL}|[^\x00-\x7f]+)$")


def note_says(*phrases):
    return lambda row: any(phrase in (row["note"] or "") for phrase in phrases)


def policy_note(*phrases):
    says = note_says(*phrases)
    return lambda row: "policy" in row["basis"] and says(row)


# (reason, does it apply?): the first that applies leaves the row out.
RULES = [
    ("the label itself is open (?)", lambda row: row["smtp5321"] == "?"),
    ("basis is somebody's policy about reserved names or characters",
     lambda row: row["basis"].startswith("policy:")),
    ("a name-addr: header syntax, no RCPT TO argument; labelled for what is inside the brackets",
     lambda row: row["smtp5321"] == "yes" and re.search(r"^\S.*<.*>$", row["email"], re.S)),
    ("the source refuses all address literals, or all tags but IPv6; RFC 5321 section 4.1.3 has them",
     policy_note("bracketed IP address after the @-sign is not allowed", "invalid address literal tag")),
    ("the source wants a public top-level domain; here no_tld, unknown_tld and reserved_domain are "
     "valid with an error",
     policy_note("should have a period", "not within a valid top-level domain")),
    ("the source wants a top-level domain of two letters or more; here numeric_tld, unknown_tld and "
     "no_tld are valid with an error",
     lambda row: row["smtp5321"] == "no" and note_says("IncompleteDomainLabel",
                                                       "InvalidDomainCharacter")(row)
     and ODD_TOP_LEVEL.search(row["email"])),
    ("the source has internationalised addresses switched off",
     note_says("allowInternational=false")),
    ("the source counts characters; RFC 5321 section 4.5.3.1.1 counts octets",
     lambda row: row["smtp5321"] == "yes" and len(row["email"].rpartition("@")[0]) <= 64
     < len(row["email"].rpartition("@")[0].encode("utf-8", "surrogatepass"))),
]


def score(corpora, program):
    rows = read_jsonl(corpora / FILES[0])
    answers = program.ask([row["email"] for row in rows])
    result = Score("addresses")
    accepted = 0
    for row, answer in zip(rows, answers):
        reason = next((reason for reason, applies in RULES if applies(row)), None)
        if reason:
            result.leave_out(row["email"], reason)
            continue
        valid = answer.get("valid", False)
        error = answer.get("error") or {}
        accepted += valid and row["smtp5321"] == "no"
        result.count(valid == (row["smtp5321"] == "yes"), row["email"],
                     f"label {row['smtp5321']} ({row['note']}), here {error.get('code', 'ok')}")
    result.require_share(LEAST)
    result.require(accepted == 0, f"{accepted} rows accepted that no server would take")
    return [result]

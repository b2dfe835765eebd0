"""score_replies.py - the class of `vrfyd classify` against the label of a reply.

Two measures: how many classes agree, and that no refusal of us, and nothing that passes, is taken for a
statement that the mailbox or its domain is not there.
"""
from common import Score, read_jsonl

FILES = ["smtp_replies.jsonl"]
LEAST = 0.96

# Labels and the classes that agree with them. "other" is not scored.
AGREES = {
    "accepted": {"accepted"},
    "policy_or_reputation_block": {"probe_blocked", "sender_rejected"},
    # A rate limit is the server's or the mailbox's own.
    "greylisted_or_rate_limited": {"greylisted", "temporary_failure", "mailbox_rate_limited"},
    "temporary_server_error": {"temporary_failure"},
    "requires_auth_or_tls": {"tls_required"},
    "relay_denied_or_domain_not_hosted": {"relay_denied", "host_no_mail"},
    "syntax_error": {"protocol_error", "mailbox_not_found"},
    "mailbox_not_found": {"mailbox_not_found", "mailbox_moved"},
    "mailbox_disabled": {"mailbox_disabled", "mailbox_abandoned"},
    "mailbox_full": {"mailbox_full"},
}
NOT_ABOUT_THE_MAILBOX = {"policy_or_reputation_block", "greylisted_or_rate_limited",
                         "temporary_server_error", "requires_auth_or_tls"}
GONE = {"mailbox_not_found", "mailbox_disabled", "relay_denied"}

# Rows where the label, not the class, is in doubt: text -> why "gone" is right. None is needed now.
EXCUSED = {}


def scored(row):
    return (row["kind"] in ("reply", "doc") and not row["ambiguous"] and not row["conflict"]
            and row["verdict"] in AGREES)


def question(row):
    enhanced = row["enhanced"] if row["enhanced"].count(".") == 2 else ""
    return {"code": row["code"], "enhanced": enhanced, "text": row["text"], "stage": row["stage"]}


def score(corpora, program):
    rows = [row for row in read_jsonl(corpora / FILES[0]) if scored(row)]
    answers = program.classify([question(row) for row in rows])
    result = Score("replies")
    mistaken = 0
    for row, answer in zip(rows, answers):
        name = answer.get("class", answer.get("error"))
        result.count(name in AGREES[row["verdict"]], row["text"],
                     f"label {row['verdict']}, here {name} by {answer.get('rule')}")
        mistaken += (row["verdict"] in NOT_ABOUT_THE_MAILBOX and name in GONE
                     and row["text"] not in EXCUSED)
    result.require_share(LEAST)
    result.require(mistaken == 0, f"{mistaken} refusals of us or of the moment taken for a dead mailbox")
    return [result]

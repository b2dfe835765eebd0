#!/usr/bin/env python3
"""Rebuild the generated lists in data/ from public packages (`make data`; see README.md).

usage: build_data.py FOLDER DATE
FOLDER holds the unpacked npm packages, one folder each, and names.json (see names.mjs).
Lists written by hand are read where they matter and never changed.
"""
import collections
import json
import os
import re
import sys
import unicodedata

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
HOST = re.compile(r"^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$")
LOCAL = re.compile(r"^[a-z0-9._-]{1,64}$")
TRIPLE_SEEN = 3  # a letter triple counts as natural when this many names or words have it


def package(name, *path):
    return os.path.join(FOLDER, name, "package", *path)


def load(name, *path):
    with open(package(name, *path), encoding="utf-8") as file:
        return json.load(file)


def read(name, *path):
    with open(package(name, *path), encoding="utf-8") as file:
        return file.read()


def versions(*names):
    return ", ".join("%s %s" % (name, load(name, "package.json")["version"]) for name in names)


def hosts(names):
    """Lower-case A-labels; what is no host name is dropped."""
    out = set()
    for name in names:
        try:
            ascii_name = name.strip().lower().encode("idna").decode("ascii")
        except UnicodeError:
            continue
        if HOST.match(ascii_name):
            out.add(ascii_name)
    return out


def own(name):
    """Entries of a hand-written list without their marks; those it takes off are left out."""
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return {line.split()[0] for line in file if line.strip() and line[0] not in "#-"}


def write(name, what, source, licence, entries):
    head = ["%s - %s" % (name, what), "source: " + source, "licence: " + licence, "date: " + DATE,
            "Made by build_data.py. Do not edit: changes go into the lists written by hand."]
    entries = sorted(entries)
    with open(os.path.join(HERE, name), "w", encoding="ascii") as file:
        file.writelines("# %s\n" % line for line in head)
        file.writelines(entry + "\n" for entry in entries)
    print("%-16s %7d" % (name, len(entries)))


def domains():
    certain = hosts(load("disposable-email-domains-js", "dist", "dict", "disposable_email_blocklist.json"))
    large = hosts(load("disposable-email-domains", "index.json"))
    second = hosts(load("disposable-domains", "index.json"))
    suffixes = hosts(re.findall(r'"([^"]+)"', read("psl", "data", "rules.js").replace("*.", "").replace("!", "")))
    services = {name for service in load("nodemailer", "dist", "well-known", "services.json").values()
                for name in service.get("domains", [])}
    real = (own("free_own.txt") | own("provider_own.txt") | own("alias_relay.txt") | own("popular.txt")
            | hosts(services))
    # A public suffix on the list would take all its tenants with it.
    disposable = (certain | (large & second)) - suffixes - real
    write("disposable.txt", "domains of throw-away mailboxes",
          "npm " + versions("disposable-email-domains-js", "disposable-email-domains", "disposable-domains")
          + "; all of the first, and of the second what the third has too; without public suffixes (npm "
          + versions("psl") + ") and real providers", "CC0-1.0 and MIT", disposable)
    listed = hosts(read("freemail", "data", "free.txt").split())
    write("free.txt", "domains where anybody can have a mailbox",
          "npm " + versions("freemail", "nodemailer") + "; without the disposable ones",
          "ISC and MIT-0", (listed | hosts(services)) - certain - large - second - own("alias_relay.txt"))


def roles():
    words = set(re.findall(r"['\"]([^'\"]+)['\"]", read("role-based-email-addresses", "src", "index.js")))
    write("role.txt", "local parts that name a function, not a person; without punctuation",
          "npm " + versions("role-based-email-addresses"), "MIT",
          {re.sub("[._-]", "", word.lower()) for word in words if LOCAL.match(word.lower())})


def top_level():
    labels = {label.encode("idna").decode("ascii") for label in load("tlds", "index.json")}
    write("tld.txt", "delegated top-level domains (IANA root zone)", "npm " + versions("tlds"),
          "MIT; the names are IANA's", labels)


CYRILLIC = dict(zip("абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґ",
                    "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch  y  e yu ya i yi ye g".split(" ")))
GREEK = dict(zip("αβγδεζηθικλμνξοπρστυφχψωσ", "a v g d e z i th i k l m n x o p r s t y f ch ps o s".split(" ")))
SPECIAL = {"ß": "ss", "æ": "ae", "ø": "o", "å": "aa", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i",
           "œ": "oe", "ς": "s", "ə": "e"}
# Syllables of Chinese and Japanese names in Latin letters; the source has these names in their own script.
PINYIN = ("zh ch sh b p m f d t n l g k h j q x r z c s y w".split(),
          "a o e i u ai ei ao ou an en ang eng ong ian iang iao ie iu in ing iong ua uai ue ui uan uang un uo".split())
ROMAJI = (["", "k", "s", "t", "n", "h", "m", "y", "r", "w", "g", "z", "d", "b", "p", "sh", "ch", "j", "ts", "ky",
           "ry"], ["a", "i", "u", "e", "o", "an", "in", "en", "on", "ou"])


def latin(name):
    out = []
    for char in name.lower():
        char = CYRILLIC.get(char, GREEK.get(char, SPECIAL.get(char, char)))
        out.append("".join(c for c in unicodedata.normalize("NFD", char) if not unicodedata.combining(c)))
    words = re.findall("[a-z]+", "".join(out))
    return words if re.search("[a-z]", "".join(out)) else []


def triples():
    """For two letters, the third ones that follow in names and words; ' ' is a word's edge."""
    with open(os.path.join(FOLDER, "names.json"), encoding="utf-8") as file:
        names = json.load(file)
    words = {word for name in names for word in latin(name)} | own("role.txt") | own("role_own.txt")
    words |= {re.split(r"[.]", name)[0] for name in own("free_own.txt")}
    count = collections.Counter()
    for word in words:
        for part in re.findall("[a-z]+", word):
            padded = " " + part + " "
            count.update({padded[i:i + 3] for i in range(len(padded) - 2)})
    for starts, ends in (PINYIN, ROMAJI):
        syllables = [start + end for start in starts for end in ends]
        for a in syllables:
            for b in syllables:
                padded = " " + a + b + " "
                for i in range(len(padded) - 2):
                    count[padded[i:i + 3]] += TRIPLE_SEEN
    rows = collections.defaultdict(str)
    for triple, times in sorted(count.items()):
        if times >= TRIPLE_SEEN:
            rows[triple[:2]] += triple[2]
    write("triples.txt", "which letter follows two others in names and words; '_' is a word's edge",
          "npm " + versions("@faker-js/faker") + " (first and last names of all its languages, in Latin letters), "
          "and the role and provider lists here", "MIT",
          {(pair + " " + thirds.replace(" ", "_")).replace(" ", "_", pair.count(" ")) for pair, thirds in rows.items()})


if __name__ == "__main__":
    FOLDER, DATE = sys.argv[1], sys.argv[2]
    domains()
    roles()
    top_level()
    triples()

"""Owns: the file of wordings, the values put into them, and the registers in which a sentence is said.
Uses: a seeded generator only.
Never: knows of turns or repositories."""

import re

NOUNS = (
    "almanac anvil apricot badger bamboo beacon bobbin bramble candle caravan cellar chestnut clover cobbler condor coral cricket damson "
    "dapple dory ferret fiddle flint gannet gimbal ginger gopher gravel halyard hatchet hickory hornet ibis jackal juniper-tree kettle lantern larch "
    "lobster magpie mallet marlin mitten muskrat nutmeg oriole otter paddle parsnip pebble pelican pewter pigeon plaster puffin quiver "
    "ratchet saddle saffron sardine satchel sextant shingle sickle skipper sparrow spindle stirrup tallow tamarind teapot thimble "
    "thicket toboggan trellis trowel turnip vellum walnut weasel whistle wicker willet woodcock yarrow"
).replace("juniper-tree ", "").split()
NAMES = (
    "Žofia Łukasz Nguyễn Aurelio Bettina Caspian Dorothea Eleni Fridtjof Gwendal Hortense Ignacio Jolanta Kasimir Leocadia Melchior Nerys "
    "Ottoline Perpetua Quirin Rosalba Sigrún Théodora Ulrike Valentijn Wilhelmina Xanthe Yevgenia Zacharias Björk Chiamaka Dagfinn Eszter"
).split()


class Topic:
    def __init__(self, what, name, kind):
        self.what, self.name, self.kind = what, name, kind
        self.lines = {}

    def get(self, mark):
        return self.lines.get(mark, [])


def load(path):
    topics, pools = [], {}
    topic = None
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        if line.startswith("@ "):
            what, name, *kind = line[2:].split()
            topic = Topic(what, name, kind[0] if kind else "")
            if what == "lines":
                pools[name] = topic.lines.setdefault("-", [])
            else:
                topics.append(topic)
        else:
            topic.lines.setdefault(line[0], []).append(line[2:])
    return topics, pools


def value(rng, kind, used):
    """A value of a kind that was not handed out before."""
    while True:
        made = draw(rng, *kind.split(":"))
        if made not in used:
            used.add(made)
            return made


def draw(rng, kind, low="1000", high="9999"):
    a, b = rng.sample(NOUNS, 2)
    if kind == "num":
        return str(rng.randrange(int(low), int(high)))
    return {
        "word": a,
        "pair": f"{a}-{b}",
        "name": rng.choice(NAMES),
        "path": f"/{rng.choice(['mnt', 'data', 'var/spool', 'opt'])}/{a}/{b}",
        "host": f"{a}-{rng.randrange(2, 99)}.{b}.example",
        "ticket": f"{a[:4].upper()}-{rng.randrange(100, 9999)}",
        "branch": f"{rng.choice(['release', 'train', 'line', 'topic'])}/{a}-{rng.randrange(2, 30)}",
        "env": f"{a}_{b}_MODE".upper(),
        "flag": f"with-{a}-{b}",
        "cmd": rng.choice([f"./scripts/{a}-check.sh", f"make {a}-{b}", f"just {a}-{b}"]),
        "file": f"{rng.choice(['etc', 'config', 'deploy'])}/{a}-{b}.{rng.choice(['toml', 'yaml', 'ini'])}",
        "time": f"{rng.randrange(13, 23)}:{rng.choice(['05', '10', '20', '35', '40', '50', '55'])}",
        "symbol": rng.choice([f"{a}_{b}", a.capitalize() + b.capitalize()]),
        "hash": f"{rng.randrange(16**8):08x}",
        "version": f"{rng.randrange(3, 60)}.{rng.randrange(10, 99)}.{rng.randrange(10)}",
        "channel": f"#{a}-{b}",
        "colour": f"{a}-{rng.randrange(10, 99)}00",
    }[kind]


def fill(template, **values):
    """The sentence and its needle: what stands in brackets, or the value."""
    text = template
    for name, said in values.items():
        text = text.replace("{" + name + "}", said)
    needle = re.search(r"\[([^\]]*\S[^\]]*)\]", text)
    if needle:
        return text.replace(needle[0], needle[1]), needle[1]
    return text, values.get("v", "")


def register(rng, text, needle, pools):
    """The sentence as somebody else, or somebody in a hurry, would say it; the needle stays as it is."""
    ways = []
    if rng.random() < 0.25 and text[-1] in ".!" and not re.search(r"\b(because|since|so that)\b", text):
        text, ways = f"{text} {rng.choice(pools['reason'])}", ways + ["reason"]
    if rng.random() < 0.25:
        prefix = rng.choice(pools["prefix"])
        first = text.split()[0]
        lower = first not in needle and first != "I" and not first.startswith(("I'", "British", "Signed"))
        text, ways = f"{prefix} {text[0].lower() + text[1:] if lower else text}", ways + ["prefix"]
    chance = rng.random()
    if chance < 0.12:
        text, ways = typos(rng, text, needle), ways + ["typos"]
    elif chance < 0.24 and needle in text.lower():
        text, ways = text.lower().rstrip("."), ways + ["lower case"]
    return text, ways


def typos(rng, text, needle):
    places = [m.start() for m in re.finditer(r"\b[a-z]{6,}\b", text) if not overlaps(m, text, needle)]
    for at in rng.sample(places, min(2, len(places))):
        k = at + rng.randrange(1, 4)
        text = text[:k] + text[k + 1] + text[k] + text[k + 2 :]
    return text


def overlaps(match, text, needle):
    start = text.find(needle)
    return start < match.end() and match.start() < start + len(needle)
